"""Judge: samples -> the teacher's scores from 0 to 5 (Figure 6); and the judge against the vote (Table 5)."""


rule judge_teacher:
    """Let the teacher score its own samples"""
    input:
        samples=lambda w: layout.teacher_samples(names(w)),
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        model=lambda w: present(teacher_model(w).identity),
        prompt=lambda w: f"config/prompts/{judge_of(w).prompt}.jinja",
        shards=lambda w: shards("judge_teacher", w),
    output:
        judgements="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/judgements.parquet",
        links="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/links.parquet",
        ledger="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/ledger.json",
    log:
        "logs/judge_teacher/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/judge_teacher/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    priority: 9
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("judge_teacher"),
    params:
        python=sampler,
        code=fingerprint("scripts.judge.judge"),
        model=lambda w: teacher_model(w).flags,
        runs_on=lambda w: runs_on(teacher(w)),
        pace=untracked(lambda w: pace(teacher(w))),
        judging=lambda w: flags(judge_of(w), without=["prompt", "combine"]),
        seed=lambda w: teacher(w).seed,
        written=lambda w, input, output: f"{written(input, output)} {optional('links', output.links)}",
        store=store,
    shell:
        r"""
        {params.python} -m scripts.judge.judge \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.judging} \
            --seed {params.seed} \
            --store {params.store:q} \
            {params.written} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule judge_teacher as judge_student with:
    """Let the teacher score the warm student's samples"""
    input:
        samples="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        model=lambda w: present(teacher_model(w).identity),
        prompt=lambda w: f"config/prompts/{judge_of(w).prompt}.jinja",
        shards=lambda w: shards("judge_student", w),
    output:
        judgements="results/judgements/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/judgements.parquet",
        links="results/judgements/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/links.parquet",
        ledger="results/judgements/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/ledger.json",
    log:
        "logs/judge_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/judge_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    priority: 8
    resources:
        **needs("judge_student"),


rule grade_teacher_judged:
    """Read the teacher's scores of its own samples"""
    input:
        judgements="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/judgements.parquet",
        links="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/links.parquet",
    output:
        grades="results/teacher_grades/dataset={dataset}/teacher={teacher}/seed={seed}/grades.parquet",
        summary="results/teacher_grades/dataset={dataset}/teacher={teacher}/seed={seed}/summary.json",
    log:
        "logs/grade_teacher_judged/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_teacher_judged/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(judged_datasets),
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.judge.grade_judged"),
        combine=lambda w: judge_of(w).combine,
    shell:
        r"""
        {params.python} -m scripts.judge.grade_judged \
            --links {input.links:q} \
            --judgements {input.judgements:q} \
            --combine-by {params.combine} \
            --output {output.grades:q} \
            --summary {output.summary:q} \
            &>{log:q}
        """


use rule grade_teacher_judged as grade_student_judged with:
    """Read the teacher's scores of the warm student's samples"""
    input:
        judgements="results/judgements/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/judgements.parquet",
        links="results/judgements/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/links.parquet",
    output:
        grades="results/student_grades/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/grades.parquet",
        summary="results/student_grades/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/summary.json",
    log:
        "logs/grade_student_judged/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_student_judged/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    resources:
        **small,


rule label_judged:
    """Keep the queries of which the teacher has an answer of the best score (Eq. 2)"""
    input:
        grades="results/teacher_grades/dataset={dataset}/teacher={teacher}/seed={seed}/grades.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
    output:
        labels="results/labels/dataset={dataset}/teacher={teacher}/seed={seed}/labels.parquet",
        labelled="results/labels/dataset={dataset}/teacher={teacher}/seed={seed}/labelled.parquet",
    log:
        "logs/label_judged/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/label_judged/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(judged_datasets),
    priority: 9
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.judge.label_judged"),
        best_score=lambda w: layout.best_score(w.dataset),
    shell:
        r"""
        {params.python} -m scripts.judge.label_judged \
            --grades {input.grades:q} \
            --queries {input.queries:q} \
            --best-score {params.best_score} \
            --output {output.labels:q} \
            --labelled {output.labelled:q} \
            &>{log:q}
        """


use rule grade_teacher_judged as grade_for_judge_vs_vote with:
    """Read the teacher's scores where a vote labels, to compare the two"""
    input:
        judgements="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/judgements.parquet",
        links="results/judgements/dataset={dataset}/teacher={teacher}/seed={seed}/links.parquet",
    output:
        grades="results/judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}/grades.parquet",
        summary="results/judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}/summary.json",
    log:
        "logs/grade_for_judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_for_judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(voted_datasets),
    resources:
        **small,


rule judge_vs_vote:
    """Hold the judge's verdicts and the vote's against the golds: class-wise precision (Table 5)"""
    input:
        judged="results/judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}/grades.parquet",
        voted="results/teacher_grades/dataset={dataset}/teacher={teacher}/seed={seed}/grades.parquet",
        answers=lambda w: layout.teacher_answers(names(w)),
        golds="results/queries/dataset={dataset}/seed={seed}/train_golds.parquet",
    output:
        "results/judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}/table5.json",
    log:
        "logs/judge_vs_vote/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    wildcard_constraints:
        dataset=one_of(voted_datasets),
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.judge.judge_vs_vote"),
        task=lambda w: dataset(w).task,
        verifier=lambda w: verifier(dataset(w)),
    shell:
        r"""
        {params.python} -m scripts.judge.judge_vs_vote \
            --judged {input.judged:q} \
            --voted {input.voted:q} \
            --answers {input.answers:q} \
            --golds {input.golds:q} \
            --task {params.task:q} \
            --output {output:q} \
            &>{log:q}
        """
