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
        evaluated="(teacher|student)=[^/]+|dataset=[^/]+/teacher=[^/]+/student=[^/]+/variant=[^/]+",
    conda:
        "../envs/driver.yaml"
    resources:
        **needs("score"),
    params:
        code=fingerprint("scripts.score"),
        task=lambda w: settings.benchmarks[w.benchmark].task,
    shell:
        r"""
        {driver} -m scripts.score \
            --samples {input.samples:q} \
            --queries {input.queries:q} \
            --golds {input.golds:q} \
            --task {params.task} \
            --output {output.scores:q} \
            --metrics {output.metrics:q} \
            &>{log:q}
        """
