"""Train: warm-up (Eq. 3), reward model (Eq. 7-9), PPO (Eq. 10-12), DPO. Samples, grades and pairs -> checkpoints."""


rule train_sft:
    """Fine-tune the base student on the teacher's answers, all of them or the good ones (Eq. 2, 3)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        teacher_samples=lambda w: layout.teacher_samples(names(w)),
        grades=lambda w: [layout.teacher_grades(names(w))] if variant(w).answers == "good" else [],
        validation=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        validation_golds=lambda w: layout.queries(w.dataset, w.seed, "validation_golds"),
        model=lambda w: present(start(w).identity),
        prompt=prompt,
    output:
        checkpoint=directory(
            "results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/checkpoint"
        ),
        identity="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/identity.json",
        metrics="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/metrics.jsonl",
    log:
        "logs/train_sft/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/train_sft/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    wildcard_constraints:
        variant=methods("sft"),
    priority: lambda w: 9
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("train_sft"),
    params:
        python=gpu,
        code=fingerprint("scripts.train.train_sft"),
        events=events("train_sft"),
        model=lambda w: start(w).flags,
        chat=lambda w: flags(student(w), only=["chat"]),
        grades=lambda w, input: optional("grades", input.grades or None),
        answers=lambda w: variant(w).answers,
        task=lambda w: dataset(w).task,
        max_tokens=lambda w: dataset(w).max_tokens,
        shape=shape,
        training=training,
        processes=processes,
        state=state,
        report_to=report_to,
    shell:
        r"""
        {params.python} {params.processes} -m scripts.train.train_sft \
            {params.model} \
            {params.chat} \
            --queries {input.queries:q} \
            --teacher-samples {input.teacher_samples:q} \
            {params.grades} \
            --answers {params.answers} \
            --validation {input.validation:q} \
            --validation-golds {input.validation_golds:q} \
            --prompt {input.prompt:q} \
            --task {params.task} \
            --max-tokens {params.max_tokens} \
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


rule train_reward:
    """Train the reward model from the warm student (Eq. 7-9)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        teacher_samples=lambda w: layout.teacher_samples(names(w)),
        student_samples=student_samples_of,
        pairs="results/pairs/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/pairs.parquet",
        model=lambda w: present(layout.checkpoint(names(w), warmup(w)).identity),
        prompt=prompt,
    output:
        checkpoint=directory(
            "results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/checkpoint"
        ),
        identity="results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/identity.json",
        metrics="results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/metrics.jsonl",
    log:
        "logs/train_reward/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}.log",
    benchmark:
        "benchmarks/train_reward/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}.tsv"
    priority: 8
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("train_reward"),
    params:
        python=gpu,
        code=fingerprint("scripts.train.train_reward"),
        events=events("train_reward"),
        model=lambda w: layout.checkpoint(names(w), warmup(w)).flags,
        chat=lambda w: flags(student(w), only=["chat"]),
        best_score=lambda w: layout.best_score(w.dataset),
        shape=shape,
        training=training,
        processes=processes,
        state=state,
        report_to=report_to,
    shell:
        r"""
        {params.python} {params.processes} -m scripts.train.train_reward \
            {params.model} \
            {params.chat} \
            --queries {input.queries:q} \
            --teacher-samples {input.teacher_samples:q} \
            --student-samples {input.student_samples:q} \
            --pairs {input.pairs:q} \
            --prompt {input.prompt:q} \
            --best-score {params.best_score} \
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


rule evaluate_reward:
    """Measure the reward model on held-out pairs: Pos/Neg and Pos/Pos accuracy (Table 9)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        teacher_samples=lambda w: layout.teacher_samples(names(w)),
        student_samples=student_samples_of,
        pairs="results/pairs/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/pairs.parquet",
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
            --split validation \
            --output {output.table9:q} \
            &>{log:q}
        """


rule train_ppo:
    """Refine the warm student under the augmented reward (Eq. 10-12)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        labels=lambda w: layout.labels(names(w)),
        pairs=ppo_pairs_of,
        validation=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        validation_golds=lambda w: layout.queries(w.dataset, w.seed, "validation_golds"),
        model=lambda w: present(start(w).identity),
        reward=lambda w: (
            [] if layout.label_only(w.variant) else layout.reward_model(names(w), variant(w).reward).identity
        ),
        prompt=prompt,
    output:
        checkpoint=directory(
            "results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/checkpoint"
        ),
        identity="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/identity.json",
        metrics="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/metrics.jsonl",
    log:
        "logs/train_ppo/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/train_ppo/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    wildcard_constraints:
        variant=methods("ppo"),
    priority: 7
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("train_ppo"),
    params:
        python=gpu,
        code=fingerprint("scripts.train.train_ppo"),
        events=events("train_ppo"),
        model=lambda w: start(w).flags,
        reward=lambda w: (
            ""
            if layout.label_only(w.variant)
            else f"--reward-model {layout.reward_model(names(w), variant(w).reward).name}"
        ),
        chat=lambda w: flags(student(w), only=["chat"]),
        task=lambda w: dataset(w).task,
        max_tokens=lambda w: dataset(w).max_tokens,
        shape=shape,
        training=training,
        processes=processes,
        state=state,
        report_to=report_to,
    shell:
        r"""
        {params.python} {params.processes} -m scripts.train.train_ppo \
            {params.model} \
            {params.reward} \
            {params.chat} \
            --queries {input.queries:q} \
            --labels {input.labels:q} \
            --pairs {input.pairs:q} \
            --validation {input.validation:q} \
            --validation-golds {input.validation_golds:q} \
            --prompt {input.prompt:q} \
            --task {params.task} \
            --max-tokens {params.max_tokens} \
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


rule train_dpo:
    """Optimise the warm student on the pairs directly (Table 11)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        teacher_samples=lambda w: layout.teacher_samples(names(w)),
        student_samples=student_samples_of,
        pairs=pairs_of,
        validation=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        validation_golds=lambda w: layout.queries(w.dataset, w.seed, "validation_golds"),
        model=lambda w: present(start(w).identity),
        prompt=prompt,
    output:
        checkpoint=directory(
            "results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/checkpoint"
        ),
        identity="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/identity.json",
        metrics="results/checkpoints/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/metrics.jsonl",
    log:
        "logs/train_dpo/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/train_dpo/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    wildcard_constraints:
        variant=methods("dpo"),
    priority: 6
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("train_dpo"),
    params:
        python=gpu,
        code=fingerprint("scripts.train.train_dpo"),
        events=events("train_dpo"),
        model=lambda w: start(w).flags,
        chat=lambda w: flags(student(w), only=["chat"]),
        best_score=lambda w: layout.best_score(w.dataset),
        task=lambda w: dataset(w).task,
        max_tokens=lambda w: dataset(w).max_tokens,
        shape=shape,
        training=training,
        processes=processes,
        state=state,
        report_to=report_to,
    shell:
        r"""
        {params.python} {params.processes} -m scripts.train.train_dpo \
            {params.model} \
            {params.chat} \
            --queries {input.queries:q} \
            --teacher-samples {input.teacher_samples:q} \
            --student-samples {input.student_samples:q} \
            --pairs {input.pairs:q} \
            --validation {input.validation:q} \
            --validation-golds {input.validation_golds:q} \
            --prompt {input.prompt:q} \
            --best-score {params.best_score} \
            --task {params.task} \
            --max-tokens {params.max_tokens} \
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
