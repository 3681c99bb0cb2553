"""Train by each method, and measure the reward model. Samples, grades and pairs -> checkpoints.

The methods (scripts/lib/config/methods.py) share one rule: a record says what its step takes of `READS` in
common.smk. Where a judge has to choose the checkpoint, the training keeps candidates; they answer the
validation questions, the teacher scores the answers, and `choose` publishes the best.
"""

for step, method, judged in trainings():
    rule_name = f"{step}_candidates" if judged else step
    own = f"{method.trains}={{{method.trains}}}"
    place = f"dataset={{dataset}}/teacher={{teacher}}/student={{student}}/{own}/seed={{seed}}"
    stage = "candidates" if judged else "checkpoints" if method.trains == "variant" else "rewards"

    rule:
        name:
            rule_name
        input:
            unpack(read_files(method)),
            queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
            model=lambda w: present(start(w).identity),
            teacher=asks_weights(method),
            reward_model=lambda w: [model.identity for model in reward_model_of(w)],
            prompt=prompt,
        output:
            **made(f"results/{stage}/{place}", judged, "judge" in method.reads),
        log:
            f"logs/{rule_name}/{place}.log",
        benchmark:
            f"benchmarks/{rule_name}/{place}.tsv"
        wildcard_constraints:
            variant=trained_by(step),
            dataset=one_of(datasets_of(method, judged)),
        priority: priority_of(step)
        conda:
            "../envs/gpu.yaml"
        resources:
            **needs(rule_name),
        params:
            python=gpu,
            step=f"scripts.train.{step}",
            code=fingerprint(f"scripts.train.{step}"),
            events=events(rule_name),
            model=lambda w: start(w).flags,
            prompting=lambda w: prompting(student(w)),
            files=file_flags(method),
            said=said(method),
            pace=untracked(pace_within if "judge" in method.reads else ""),
            verifier=(lambda w: verifier(dataset(w))) if "validation" in method.reads else "",
            shape=shape,
            training=training,
            results=named_results,
            processes=processes,
            state=state,
            report_to=report_to,
            alarms=alarms() if method in POLICIES.values() else "",
        shell:
            r"""
            {params.python} {params.processes} -m {params.step} \
                {params.model} \
                {params.prompting} \
                --queries {input.queries:q} \
                --prompt {input.prompt:q} \
                {params.files} \
                {params.said} \
                {params.pace} \
                {params.training} \
                --seed {wildcards.seed} \
                {params.results} \
                {params.alarms} \
                --state {params.state:q} \
                --code {params.code}{params.verifier} \
                --report-to {params.report_to} \
                --logging-dir {params.events:q} \
                &>{log:q}
            """

    workflow.get_rule(rule_name).docstring = method.task


rule sample_candidates:
    """Answer the validation questions greedily with every candidate, where a judge has to choose"""
    input:
        candidates="results/candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/candidates",
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        prompt=prompt,
    output:
        samples="results/candidate_samples/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/samples.parquet",
        ledger="results/candidate_samples/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/ledger.json",
    log:
        "logs/sample_candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("sample_candidates"),
    params:
        python=sampler,
        code=fingerprint("scripts.sample.sample_candidates"),
        runs_on=lambda w: runs_on(student(w)),
        pace=untracked(lambda w: pace(student(w))),
        length=lambda w: flags(dataset(w), only=["max_tokens", "stop"]),
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.sample_candidates \
            --candidates {input.candidates:q} \
            --queries {input.queries:q} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.length} \
            --store {params.store:q} \
            --output {output.samples:q} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule judge_teacher as judge_candidates with:
    """Let the teacher score the candidates' answers to the validation questions"""
    input:
        samples="results/candidate_samples/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/samples.parquet",
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        model=lambda w: present(teacher_model(w).identity),
        prompt=lambda w: f"config/prompts/{judge_of(w).prompt}.jinja",
    output:
        judgements="results/candidate_judgements/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/judgements.parquet",
        links="results/candidate_judgements/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/links.parquet",
        ledger="results/candidate_judgements/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/ledger.json",
    log:
        "logs/judge_candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/judge_candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    resources:
        **needs("judge_candidates"),


use rule grade_teacher_judged as grade_candidates with:
    """Read the teacher's scores of the candidates' answers"""
    input:
        judgements="results/candidate_judgements/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/judgements.parquet",
        links="results/candidate_judgements/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/links.parquet",
    output:
        grades="results/candidate_grades/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/grades.parquet",
        summary="results/candidate_grades/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/summary.json",
    log:
        "logs/grade_candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/grade_candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    resources:
        **small,


rule choose:
    """Publish the candidate whose answers the teacher scores best"""
    input:
        candidates="results/candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/candidates",
        log="results/candidates/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/metrics.jsonl",
        grades="results/candidate_grades/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/grades.parquet",
    output:
        checkpoint=directory(
            "results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/checkpoint"
        ),
        identity="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/identity.json",
        metrics="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/metrics.jsonl",
    log:
        "logs/choose/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/choose/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(judged_datasets),
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.train.choose"),
    shell:
        r"""
        {params.python} -m scripts.train.choose \
            --candidates {input.candidates:q} \
            --grades {input.grades:q} \
            --log {input.log:q} \
            --output {output.checkpoint:q} \
            --identity {output.identity:q} \
            --metrics {output.metrics:q} \
            &>{log:q}
        """


rule evaluate_reward:
    """Measure the reward model on held-out pairs: right over wrong, the teacher over the student (Table 9)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        teacher_samples=lambda w: layout.teacher_samples(names(w)),
        student_samples=student_samples_of,
        pairs=lambda w: held_out_pairs(w, w.reward),
        model="results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/identity.json",
        prompt=prompt,
    output:
        table9="results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/table9.json",
        rewards="results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/held_out_rewards.parquet",
    log:
        "logs/evaluate_reward/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}.log",
    benchmark:
        "benchmarks/evaluate_reward/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("evaluate_reward"),
    params:
        python=gpu,
        code=fingerprint("scripts.train.evaluate_reward"),
        model=lambda w: layout.reward_model(names(w), w.reward).flags,
        prompting=lambda w: prompting(student(w)),
        best_score=lambda w: layout.best_score(w.dataset),
        alarms=alarms("action", "reward_accuracy"),
    shell:
        r"""
        {params.python} -m scripts.train.evaluate_reward \
            {params.model} \
            {params.prompting} \
            --queries {input.queries:q} \
            --teacher-samples {input.teacher_samples:q} \
            --student-samples {input.student_samples:q} \
            --pairs {input.pairs:q} \
            --prompt {input.prompt:q} \
            --best-score {params.best_score} \
            {params.alarms} \
            --output {output.table9:q} \
            --output-rewards {output.rewards:q} \
            &>{log:q}
        """
