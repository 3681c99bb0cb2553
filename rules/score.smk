"""Score: completions of a benchmark + its golds -> scores and accuracy."""


rule score:
    """Compare a checkpoint's answers with the golds"""
    input:
        samples="results/eval_samples/benchmark={benchmark}/{evaluated}/seed={seed}/samples.parquet",
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        golds=lambda w: layout.benchmark(w.benchmark, w.seed, golds=True),
    output:
        scores="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/scores.parquet",
        metrics="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/metrics.json",
    log:
        "logs/score/benchmark={benchmark}/{evaluated}/seed={seed}.log",
    benchmark:
        "benchmarks/score/benchmark={benchmark}/{evaluated}/seed={seed}.tsv"
    wildcard_constraints:
        benchmark=one_of(read_benchmarks),
        evaluated=any_evaluated,
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.score.score"),
        task=lambda w: benchmark_of(w).task,
        verifier=lambda w: verifier(benchmark_of(w)),
        taken="",
    shell:
        r"""
        {params.python} -m scripts.score.score \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --golds {input.golds:q} \
            --task {params.task:q} \
            {params.taken} \
            --output {output.scores:q} \
            --metrics {output.metrics:q} \
            &>{log:q}
        """


use rule score as score_repeated with:
    """Take one of several answers to each question, and say how accuracy grows with their number"""
    input:
        samples=lambda w: layout.samples(names(w), w.benchmark),
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        golds=lambda w: layout.benchmark(w.benchmark, w.seed, golds=True),
        rewards=lambda w: present(layout.repeated_rewards(names(w), w.benchmark)),
    output:
        scores="results/scores/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/scores.parquet",
        metrics="results/scores/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/metrics.json",
        growth="results/scores/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/growth.parquet",
    log:
        "logs/score_repeated/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/score_repeated/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    wildcard_constraints:
        benchmark=one_of(read_benchmarks),
        variant=one_of(repeated_variants),
    resources:
        **small,
    params:
        taken=lambda w, input, output: " ".join(
            (
                optional("taken", variant(w).method),
                optional("growth", output.growth),
                optional("rewards", listed(input.rewards)),
            )
        ),


rule reward_repeated:
    """Let a reward model score the answers of which one is taken"""
    input:
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        samples="results/repeated_samples/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/samples.parquet",
        model="results/rewards/dataset={dataset}/teacher={teacher}/student={student}/reward={reward}/seed={seed}/identity.json",
        prompt=prompt,
    output:
        "results/repeated_rewards/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/reward={reward}/seed={seed}/rewards.parquet",
    log:
        "logs/reward_repeated/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/reward={reward}/seed={seed}.log",
    benchmark:
        "benchmarks/reward_repeated/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/reward={reward}/seed={seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("reward_repeated"),
    params:
        python=gpu,
        code=fingerprint("scripts.score.reward_samples"),
        model=lambda w: layout.reward_model(names(w), w.reward).flags,
        prompting=lambda w: prompting(student(w)),
    shell:
        r"""
        {params.python} -m scripts.score.reward_samples \
            {params.model} \
            {params.prompting} \
            --queries {input.queries:q} \
            --samples {input.samples:q} \
            --prompt {input.prompt:q} \
            --output {output:q} \
            &>{log:q}
        """


rule export_lm_eval:
    """Write an evaluation in lm-evaluation-harness's layout, its metrics beside ours"""
    input:
        samples="results/eval_samples/benchmark={benchmark}/{evaluated}/seed={seed}/samples.parquet",
        ledger="results/eval_samples/benchmark={benchmark}/{evaluated}/seed={seed}/ledger.json",
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        golds=lambda w: layout.benchmark(w.benchmark, w.seed, golds=True),
        scores="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/scores.parquet",
        metrics="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/metrics.json",
        prompt=lambda w: f"config/prompts/{benchmark_of(w).prompt}.jinja",
    output:
        directory("results/lm_eval/benchmark={benchmark}/{evaluated}/seed={seed}/harness"),
    log:
        "logs/export_lm_eval/benchmark={benchmark}/{evaluated}/seed={seed}.log",
    wildcard_constraints:
        benchmark=one_of(read_benchmarks),
        evaluated=any_evaluated,
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.score.export_lm_eval"),
        task=lambda w: benchmark_of(w).task,
        verifier=lambda w: verifier(benchmark_of(w)),
    shell:
        r"""
        {params.python} -m scripts.score.export_lm_eval \
            --samples {input.samples:q} \
            --ledger {input.ledger:q} \
            --queries {input.queries:q} \
            --golds {input.golds:q} \
            --scores {input.scores:q} \
            --metrics {input.metrics:q} \
            --prompt {input.prompt:q} \
            --task {params.task:q} \
            --name {wildcards.benchmark:q} \
            --model {wildcards.evaluated:q}/seed={wildcards.seed} \
            --output {output:q} \
            &>{log:q}
        """


rule export_questions:
    """Write a benchmark's questions and answers for tools that ask a model themselves (config/lm_eval)"""
    input:
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        golds=lambda w: layout.benchmark(w.benchmark, w.seed, golds=True),
    output:
        "results/questions/benchmark={benchmark}/seed={seed}/questions.jsonl",
    log:
        "logs/export_questions/benchmark={benchmark}/seed={seed}.log",
    wildcard_constraints:
        benchmark=one_of(read_benchmarks),
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.score.export_questions"),
    shell:
        r"""
        {params.python} -m scripts.score.export_questions \
            --queries {input.queries:q} \
            --golds {input.golds:q} \
            --output {output:q} \
            &>{log:q}
        """


rule model_outputs:
    """Put the completions of an open-ended benchmark in the form of AlpacaEval's leaderboard"""
    input:
        samples="results/eval_samples/benchmark={benchmark}/{evaluated}/seed={seed}/samples.parquet",
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        reference=lambda w: benchmark_of(w).queries,
    output:
        "results/model_outputs/benchmark={benchmark}/{evaluated}/seed={seed}/model_outputs.json",
    log:
        "logs/model_outputs/benchmark={benchmark}/{evaluated}/seed={seed}.log",
    wildcard_constraints:
        benchmark=one_of(judged_benchmarks),
        evaluated=any_evaluated,
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.score.model_outputs"),
    shell:
        r"""
        {params.python} -m scripts.score.model_outputs \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --reference {input.reference:q} \
            --generator {wildcards.evaluated:q}/seed={wildcards.seed} \
            --output {output:q} \
            &>{log:q}
        """


rule alpaca_eval:
    """Win rate and length-controlled win rate against the reference, by AlpacaEval's own package"""
    input:
        outputs="results/model_outputs/benchmark={benchmark}/{evaluated}/seed={seed}/model_outputs.json",
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        reference=lambda w: benchmark_of(w).queries,
        gamed=lambda w: present(benchmark_of(w).gamed),
    output:
        scores="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/scores.parquet",
        metrics="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/metrics.json",
        annotations="results/scores/benchmark={benchmark}/{evaluated}/seed={seed}/annotations.json",
    log:
        "logs/alpaca_eval/benchmark={benchmark}/{evaluated}/seed={seed}.log",
    benchmark:
        "benchmarks/alpaca_eval/benchmark={benchmark}/{evaluated}/seed={seed}.tsv"
    wildcard_constraints:
        benchmark=one_of(judged_benchmarks),
        evaluated=any_evaluated,
    # It asks a server: on the login node, as compute nodes have no network.
    localrule: True
    conda:
        "../envs/eval.yaml"
    resources:
        **needs("alpaca_eval"),
    params:
        python=evaluation,
        code=fingerprint("scripts.score.alpaca_eval"),
        annotator=lambda w: benchmark_of(w).annotator,
        gamed=lambda w, input: optional("gamed", input.gamed),
        store=store,
    shell:
        r"""
        {params.python} -m scripts.score.alpaca_eval \
            --model-outputs {input.outputs:q} \
            --reference {input.reference:q} \
            --annotator {params.annotator:q} \
            {params.gamed} \
            --queries {input.queries:q} \
            --store {params.store:q} \
            --output {output.scores:q} \
            --annotated {output.annotations:q} \
            --metrics {output.metrics:q} \
            &>{log:q}
        """
