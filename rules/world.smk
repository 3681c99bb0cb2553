"""The embedded world: a seed -> questions with golds, a corpus, a tokenizer, a teacher and a base student."""


rule world:
    """Make the questions and the corpus of one seed"""
    output:
        train="results/queries/dataset={dataset}/seed={seed}/train.parquet",
        train_golds="results/queries/dataset={dataset}/seed={seed}/train_golds.parquet",
        validation="results/queries/dataset={dataset}/seed={seed}/validation.parquet",
        validation_golds="results/queries/dataset={dataset}/seed={seed}/validation_golds.parquet",
        test="results/queries/dataset={dataset}/seed={seed}/test.parquet",
        test_golds="results/queries/dataset={dataset}/seed={seed}/test_golds.parquet",
        corpus="results/queries/dataset={dataset}/seed={seed}/corpus.parquet",
        tokenizer=directory("results/queries/dataset={dataset}/seed={seed}/tokenizer"),
    log:
        "logs/world/dataset={dataset}/seed={seed}.log",
    benchmark:
        "benchmarks/world/dataset={dataset}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(world_datasets),
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("world"),
    params:
        python=gpu,
        code=fingerprint("scripts.world.world"),
        sizes=lambda w: flags(dataset(w).world),
        folder=subpath(output.train, parent=True),
    shell:
        r"""
        {params.python} -m scripts.world.world \
            {params.sizes} \
            --seed {wildcards.seed} \
            --output {params.folder:q} \
            &>{log:q}
        """


rule pretrain:
    """Train a teacher or a base student from scratch on the corpus"""
    input:
        corpus=lambda w: layout.queries(settings.models[w.model].dataset, w.seed, "corpus"),
        prompt=lambda w: f"config/prompts/{settings.datasets[settings.models[w.model].dataset].prompt}.jinja",
    output:
        checkpoint=directory("results/models/model={model}/seed={seed}/checkpoint"),
        identity="results/models/model={model}/seed={seed}/identity.json",
        metrics="results/models/model={model}/seed={seed}/metrics.jsonl",
    log:
        "logs/pretrain/model={model}/seed={seed}.log",
    benchmark:
        "benchmarks/pretrain/model={model}/seed={seed}.tsv"
    wildcard_constraints:
        model=one_of(trained_models),
    priority: 10
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("pretrain"),
    params:
        python=gpu,
        driver=driver,
        code=fingerprint("scripts.world.pretrain"),
        tokenizer=subpath(input.corpus, parent=True),
        settings=lambda w: flags(settings.models[w.model], without=["dataset"]),
    shell:
        r"""
        {params.python} -m scripts.world.pretrain \
            --corpus {input.corpus:q} \
            --tokenizer {params.tokenizer:q}/tokenizer \
            --prompt {input.prompt:q} \
            {params.settings} \
            --seed {wildcards.seed} \
            --output {output.checkpoint:q} \
            --metrics {output.metrics:q} \
            &>{log:q}
        {params.driver} -m scripts.world.identify \
            --model {output.checkpoint:q} \
            --output {output.identity:q} \
            &>>{log:q}
        """


rule make_model:
    """Make an untrained byte-level model"""
    output:
        checkpoint=directory("results/models/model={model}/seed={seed}/checkpoint"),
        identity="results/models/model={model}/seed={seed}/identity.json",
    log:
        "logs/make_model/model={model}/seed={seed}.log",
    benchmark:
        "benchmarks/make_model/model={model}/seed={seed}.tsv"
    wildcard_constraints:
        model=one_of(name for name in settings.models if name not in trained_models),
    conda:
        "../envs/gpu.yaml"
    resources:
        **small,
    params:
        python=gpu,
        driver=driver,
        code=fingerprint("scripts.world.make_model"),
        settings=lambda w: flags(settings.models[w.model]),
    shell:
        r"""
        {params.python} -m scripts.world.make_model \
            {params.settings} \
            --seed {wildcards.seed} \
            --output {output.checkpoint:q} \
            &>{log:q}
        {params.driver} -m scripts.world.identify \
            --model {output.checkpoint:q} \
            --output {output.identity:q} \
            &>>{log:q}
        """
