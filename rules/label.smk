"""Label: samples -> answers -> pseudo-labels (Eq. 1), and answers + labels -> grades (Eq. 2, 4)."""


rule read_teacher_answers:
    """Read the answer of each of the teacher's samples of one round"""
    input:
        samples="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        known=lambda w: known_answers(w, layout.teacher_answers)[: int(w.round) - 1],
    output:
        answers="results/answers/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}/answers.parquet",
    log:
        "logs/read_teacher_answers/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}.log",
    benchmark:
        "benchmarks/read_teacher_answers/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}.tsv"
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.label.read_answers"),
        task=lambda w: dataset(w).task,
        verifier=lambda w: verifier(dataset(w)),
        known=lambda w, input: optional("known", listed(input.known)),
    shell:
        r"""
        {params.python} -m scripts.label.read_answers \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --task {params.task:q} \
            {params.known} \
            --output {output.answers:q} \
            &>{log:q}
        """


use rule read_teacher_answers as read_student_answers with:
    """Read the answer of each of the warm student's samples"""
    input:
        samples="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        known=lambda w: known_answers(w, layout.teacher_answers),
    output:
        answers="results/answers/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/answers.parquet",
    log:
        "logs/read_student_answers/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/read_student_answers/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    resources:
        **small,


use rule read_teacher_answers as read_validation_answers with:
    """Read the answer of each of the teacher's samples of the validation questions, of one round"""
    input:
        samples="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        known=lambda w: known_answers(w, layout.validation_answers)[: int(w.round) - 1],
    output:
        answers="results/validation_answers/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}/answers.parquet",
    log:
        "logs/read_validation_answers/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}.log",
    benchmark:
        "benchmarks/read_validation_answers/dataset={dataset}/teacher={teacher}/seed={seed}/round={round}.tsv"
    resources:
        **small,


rule find_unsure:
    """List the queries whose first-round vote is too divided"""

    # A mended reader spends no tokens: its code is not tracked, and it reads the samples itself. As `ancient`
    # answers would not do: where making them anew failed once, they are missing, and that runs every rule that
    # takes them.
    input:
        samples="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
    output:
        unsure="results/unsure/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet",
    log:
        "logs/find_unsure/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/find_unsure/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        task=lambda w: dataset(w).task,
        m=lambda w: teacher(w).vote.m,
        below=lambda w: teacher(w).again.below,
    shell:
        r"""
        {params.python} -m scripts.label.find_unsure \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --task {params.task:q} \
            --m {params.m} \
            --below {params.below} \
            --output {output.unsure:q} \
            &>{log:q}
        """


use rule find_unsure as find_unsure_validation with:
    """List the validation questions whose first-round vote is too divided"""
    input:
        samples="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
    output:
        unsure="results/validation_unsure/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet",
    log:
        "logs/find_unsure_validation/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/find_unsure_validation/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **small,


rule label:
    """Take the majority answer of the teacher's samples as the label"""
    input:
        answers=lambda w: layout.teacher_answers(names(w)),
        golds=lambda w: golds_of(w, "train"),
    output:
        labels="results/labels/dataset={dataset}/teacher={teacher}/seed={seed}/labels.parquet",
        labelled="results/labels/dataset={dataset}/teacher={teacher}/seed={seed}/labelled.parquet",
    log:
        "logs/label/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/label/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(voted_datasets),
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.label.label"),
        vote=lambda w: flags(teacher(w).vote),
        golds=lambda w, input: optional("golds", listed(input.golds)),
        task=lambda w: optional("task", dataset(w).task if teacher(w).vote.by == "golds" else ""),
        alarms=alarms("action", "labelled"),
    shell:
        r"""
        {params.python} -m scripts.label.label \
            --answers {input.answers:q} \
            {params.vote} \
            {params.golds} \
            {params.task} \
            {params.alarms} \
            --output {output.labels:q} \
            --labelled {output.labelled:q} \
            &>{log:q}
        """


use rule label as label_validation with:
    """Take the majority answer of the teacher's samples of a validation question as its label"""
    input:
        answers=lambda w: layout.validation_answers(names(w)),
        golds=lambda w: golds_of(w, "validation"),
    output:
        labels="results/validation_labels/dataset={dataset}/teacher={teacher}/seed={seed}/labels.parquet",
        labelled="results/validation_labels/dataset={dataset}/teacher={teacher}/seed={seed}/labelled.parquet",
    log:
        "logs/label_validation/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/label_validation/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **small,


rule grade_teacher:
    """Grade the teacher's own samples against the labels"""
    input:
        answers=lambda w: layout.teacher_answers(names(w)),
        labels="results/labels/dataset={dataset}/teacher={teacher}/seed={seed}/labels.parquet",
    output:
        grades="results/teacher_grades/dataset={dataset}/teacher={teacher}/seed={seed}/grades.parquet",
    log:
        "logs/grade_teacher/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_teacher/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(voted_datasets),
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.label.grade"),
    shell:
        r"""
        {params.python} -m scripts.label.grade \
            --answers {input.answers:q} \
            --labels {input.labels:q} \
            --output {output.grades:q} \
            &>{log:q}
        """


use rule grade_teacher as grade_student with:
    """Grade the warm student's samples against the labels"""
    input:
        answers="results/answers/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/answers.parquet",
        labels=lambda w: layout.labels(names(w)),
    output:
        grades="results/student_grades/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/grades.parquet",
    log:
        "logs/grade_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    resources:
        **small,
