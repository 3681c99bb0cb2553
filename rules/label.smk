"""Label: teacher samples -> pseudo-labels (Eq. 1), and samples + labels -> grades (Eq. 2, 4)."""


rule find_unsure:
    """List the queries whose first-round vote is too divided; its code is not tracked: a mended reader spends no tokens"""
    input:
        samples="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
    output:
        unsure="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet",
    log:
        "logs/find_unsure/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/find_unsure/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **needs("find_unsure"),
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
            --task {params.task} \
            --m {params.m} \
            --below {params.below} \
            --output {output.unsure:q} \
            &>{log:q}
        """


rule label:
    """Take the majority answer of the teacher's samples as the label"""
    input:
        samples=lambda w: layout.teacher_samples(names(w)),
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
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
        **needs("label"),
    params:
        python=driver,
        code=fingerprint("scripts.label.label"),
        task=lambda w: dataset(w).task,
        vote=lambda w: flags(teacher(w).vote),
    shell:
        r"""
        {params.python} -m scripts.label.label \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --task {params.task} \
            {params.vote} \
            --output {output.labels:q} \
            --labelled {output.labelled:q} \
            &>{log:q}
        """


rule grade_teacher:
    """Grade the teacher's own samples against the labels"""
    input:
        samples=lambda w: layout.teacher_samples(names(w)),
        labels="results/labels/dataset={dataset}/teacher={teacher}/seed={seed}/labels.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
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
        **needs("grade_teacher"),
    params:
        python=driver,
        code=fingerprint("scripts.label.grade"),
        task=lambda w: dataset(w).task,
    shell:
        r"""
        {params.python} -m scripts.label.grade \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --labels {input.labels:q} \
            --task {params.task} \
            --output {output.grades:q} \
            &>{log:q}
        """


use rule grade_teacher as grade_student with:
    """Grade the warm student's samples against the labels"""
    input:
        samples="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/samples.parquet",
        labels=lambda w: layout.labels(names(w)),
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
    output:
        grades="results/student_grades/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/grades.parquet",
    log:
        "logs/grade_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    resources:
        **needs("grade_student"),
