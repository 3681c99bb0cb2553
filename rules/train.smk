"""Train by each method, and measure the reward model. Samples, grades and pairs -> checkpoints.

The methods (scripts/lib/config/methods.py) share one rule: a record says what its step takes of `READS` in
common.smk.
"""

for rule_name, method in BY_RULE.items():
    own = f"{method.trains}={{{method.trains}}}"
    place = f"dataset={{dataset}}/teacher={{teacher}}/student={{student}}/{own}/seed={{seed}}"
    results = f"results/{'checkpoints' if method.trains == 'variant' else 'rewards'}/{place}"

    rule:
        name:
            rule_name
        input:
            unpack(read_files(method)),
            queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
            model=lambda w: present(start(w).identity),
            reward_model=lambda w: [model.identity for model in reward_model_of(w)],
            prompt=prompt,
        output:
            checkpoint=directory(f"{results}/checkpoint"),
            identity=f"{results}/identity.json",
            metrics=f"{results}/metrics.jsonl",
        log:
            f"logs/{rule_name}/{place}.log",
        benchmark:
            f"benchmarks/{rule_name}/{place}.tsv"
        wildcard_constraints:
            variant=trained_by(rule_name),
        priority: priority_of(rule_name)
        conda:
            "../envs/gpu.yaml"
        resources:
            **needs(rule_name),
        params:
            python=gpu,
            step=f"scripts.train.{rule_name}",
            code=fingerprint(f"scripts.train.{rule_name}"),
            events=events(rule_name),
            model=lambda w: start(w).flags,
            chat=lambda w: flags(student(w), only=["chat"]),
            files=file_flags(method),
            said=said(method),
            verifier=(lambda w: verifier(dataset(w))) if "validation" in method.reads else "",
            shape=shape,
            training=training,
            processes=processes,
            state=state,
            report_to=report_to,
        shell:
            r"""
            {params.python} {params.processes} -m {params.step} \
                {params.model} \
                {params.chat} \
                --queries {input.queries:q} \
                --prompt {input.prompt:q} \
                {params.files} \
                {params.said} \
                {params.training} \
                --seed {wildcards.seed} \
                --output {output.checkpoint:q} \
                --identity {output.identity:q} \
                --metrics {output.metrics:q} \
                --state {params.state} \
                --report-to {params.report_to} \
                --logging-dir {params.events:q} \
                &>{log:q}
            """

    workflow.get_rule(rule_name).docstring = method.task


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
        chat=lambda w: flags(student(w), only=["chat"]),
        best_score=lambda w: layout.best_score(w.dataset),
    shell:
        r"""
        {params.python} -m scripts.train.evaluate_reward \
            {params.model} \
            {params.chat} \
            --queries {input.queries:q} \
            --teacher-samples {input.teacher_samples:q} \
            --student-samples {input.student_samples:q} \
            --pairs {input.pairs:q} \
            --prompt {input.prompt:q} \
            --best-score {params.best_score} \
            --output {output.table9:q} \
            &>{log:q}
        """
