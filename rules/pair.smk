"""Pair: graded answers of teacher and student -> preference pairs (Eq. 5, 6)."""


rule hold_out_pairs:
    """Hold out the pairs of some queries, to measure every reward after this warm-up on (Table 9)"""
    input:
        teacher_answers=lambda w: layout.teacher_answers(names(w)),
        teacher_grades=lambda w: layout.teacher_grades(names(w)),
        student_answers="results/answers/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/answers.parquet",
        student_grades="results/student_grades/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/grades.parquet",
    output:
        pairs="results/held_out_pairs/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/pairs.parquet",
    log:
        "logs/hold_out_pairs/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/hold_out_pairs/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    priority: 8
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.pair.hold_out"),
        test_fraction=test_fraction,
        best_score=lambda w: layout.best_score(w.dataset),
    shell:
        r"""
        {params.python} -m scripts.pair.hold_out \
            --teacher-answers {input.teacher_answers:q} \
            --teacher-grades {input.teacher_grades:q} \
            --student-answers {input.student_answers:q} \
            --student-grades {input.student_grades:q} \
            --test-fraction {params.test_fraction} \
            --best-score {params.best_score} \
            --seed {wildcards.seed} \
            --output {output.pairs:q} \
            &>{log:q}
        """


rule pair:
    """Prefer the teacher's good answers to the student's, and the student's better ones to its worse ones"""
    input:
        teacher_answers=lambda w: layout.teacher_answers(names(w)),
        teacher_grades=lambda w: layout.teacher_grades(names(w)),
        student_answers=lambda w: layout.student(names(w), warmup(w), "answers", "answers.parquet"),
        student_grades=lambda w: layout.student(names(w), warmup(w), "student_grades", "grades.parquet"),
        held_out=lambda w: held_out_pairs(w, w.reward),
        labels=lambda w: layout.labels(names(w)),
    output:
        pairs="results/pairs/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/pairs.parquet",
        funnel="results/pairs/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/funnel.json",
    log:
        "logs/pair/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}.log",
    benchmark:
        "benchmarks/pair/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}.tsv"
    priority: 8
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.pair.pair"),
        pairs=lambda w: flags(settings.rewards[w.reward].pairs),
        best_score=lambda w: layout.best_score(w.dataset),
    shell:
        r"""
        {params.python} -m scripts.pair.pair \
            --teacher-answers {input.teacher_answers:q} \
            --teacher-grades {input.teacher_grades:q} \
            --student-answers {input.student_answers:q} \
            --student-grades {input.student_grades:q} \
            --held-out {input.held_out:q} \
            --labels {input.labels:q} \
            {params.pairs} \
            --best-score {params.best_score} \
            --seed {wildcards.seed} \
            --output {output.pairs:q} \
            --funnel {output.funnel:q} \
            &>{log:q}
        """
