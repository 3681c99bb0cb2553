"""Queries: a file of questions -> train, validation and test, golds kept apart; and the leakage gate."""


rule fetch:
    """Fetch a split or file from the hub, pinned; on the login node, as compute nodes have no network"""
    output:
        "data/{file}",
    log:
        "logs/fetch/file={file}.log",
    wildcard_constraints:
        file=one_of(settings.downloads),
    localrule: True
    conda:
        "../envs/gpu.yaml"
    resources:
        **small,
    params:
        python=gpu,
        code=fingerprint("scripts.queries.fetch"),
        source=lambda w: flags(settings.downloads[w.file]),
    shell:
        r"""
        {params.python} -m scripts.queries.fetch \
            {params.source} \
            --output {output:q} \
            &>{log:q}
        """


rule queries:
    """Split a file of questions; golds go to files that only scoring and validation read"""
    input:
        file=lambda w: dataset(w).queries,
        shots=lambda w: present(dataset(w).shots.file),
    output:
        train="results/queries/dataset={dataset}/seed={seed}/train.parquet",
        train_golds="results/queries/dataset={dataset}/seed={seed}/train_golds.parquet",
        validation="results/queries/dataset={dataset}/seed={seed}/validation.parquet",
        validation_golds="results/queries/dataset={dataset}/seed={seed}/validation_golds.parquet",
        test="results/queries/dataset={dataset}/seed={seed}/test.parquet",
        test_golds="results/queries/dataset={dataset}/seed={seed}/test_golds.parquet",
    log:
        "logs/queries/dataset={dataset}/seed={seed}.log",
    benchmark:
        "benchmarks/queries/dataset={dataset}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(real_datasets),
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.queries.queries"),
        reading=lambda w: flags(
            dataset(w),
            only=[
                "task",
                "question_column",
                "answer_column",
                "options_column",
                "id_column",
                "group_column",
                "validation_fraction",
                "test_fraction",
                "chosen_by",
            ],
        ),
        shots=lambda w: shots(dataset(w)),
    shell:
        r"""
        {params.python} -m scripts.queries.queries \
            --input {input.file:q} \
            {params.reading} \
            {params.shots} \
            --seed {wildcards.seed} \
            --train {output.train:q} \
            --train-golds {output.train_golds:q} \
            --validation {output.validation:q} \
            --validation-golds {output.validation_golds:q} \
            --test {output.test:q} \
            --test-golds {output.test_golds:q} \
            &>{log:q}
        """


rule benchmark_queries:
    """Read a benchmark's file: every question is held out"""
    input:
        file=lambda w: benchmark_of(w).queries,
        shots=lambda w: present(benchmark_of(w).shots.file),
    output:
        queries="results/benchmarks/benchmark={benchmark}/queries.parquet",
        golds="results/benchmarks/benchmark={benchmark}/golds.parquet",
    log:
        "logs/benchmark_queries/benchmark={benchmark}.log",
    benchmark:
        "benchmarks/benchmark_queries/benchmark={benchmark}.tsv"
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.queries.queries"),
        reading=lambda w: flags(
            benchmark_of(w),
            only=["task", "question_column", "answer_column", "options_column"],
        ),
        shots=lambda w: shots(benchmark_of(w)),
    shell:
        r"""
        {params.python} -m scripts.queries.queries \
            --input {input.file:q} \
            {params.reading} \
            {params.shots} \
            --queries {output.queries:q} \
            --golds {output.golds:q} \
            &>{log:q}
        """


rule check_leakage:
    """Fail when a question stands in two splits

    Its code is not tracked, nor that of the two gates below: a stricter one retrains nobody.
    """
    input:
        train="results/queries/dataset={dataset}/seed={seed}/train.parquet",
        validation="results/queries/dataset={dataset}/seed={seed}/validation.parquet",
        held_out="results/queries/dataset={dataset}/seed={seed}/test.parquet",
    output:
        report="results/leakage/dataset={dataset}/seed={seed}/report.json",
    log:
        "logs/check_leakage/dataset={dataset}/seed={seed}.log",
    benchmark:
        "benchmarks/check_leakage/dataset={dataset}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, block in settings.datasets.items() if block.on_leak == "fail"),
    priority: 100
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
    shell:
        r"""
        {params.python} -m scripts.queries.check_leakage \
            --train {input.train:q} \
            --validation {input.validation:q} \
            --held-out {input.held_out:q} \
            --output {output.report:q} \
            &>{log:q}
        """


rule drop_leakage:
    """Leave out of training and validation what stands in a held-out split or a benchmark"""
    input:
        train="results/queries/dataset={dataset}/seed={seed}/train.parquet",
        validation="results/queries/dataset={dataset}/seed={seed}/validation.parquet",
        held_out=lambda w: [
            f"results/queries/dataset={w.dataset}/seed={w.seed}/test.parquet",
            *layout.foreign_benchmarks(w.dataset, w.seed),
        ],
    output:
        report="results/leakage/dataset={dataset}/seed={seed}/report.json",
        train="results/leakage/dataset={dataset}/seed={seed}/train.parquet",
        validation="results/leakage/dataset={dataset}/seed={seed}/validation.parquet",
    log:
        "logs/drop_leakage/dataset={dataset}/seed={seed}.log",
    benchmark:
        "benchmarks/drop_leakage/dataset={dataset}/seed={seed}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name, block in settings.datasets.items() if block.on_leak == "drop"),
    priority: 100
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
    shell:
        r"""
        {params.python} -m scripts.queries.check_leakage \
            --train {input.train:q} \
            --validation {input.validation:q} \
            --held-out {input.held_out:q} \
            --on-leak drop \
            --clean-train {output.train:q} \
            --clean-validation {output.validation:q} \
            --output {output.report:q} \
            &>{log:q}
        """


use rule check_leakage as check_benchmark with:
    """Fail when a training question stands in a benchmark"""
    input:
        train=lambda w: layout.queries(w.dataset, w.seed, "train"),
        validation=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        held_out="results/benchmarks/benchmark={benchmark}/queries.parquet",
    output:
        report="results/leakage/dataset={dataset}/seed={seed}/benchmark={benchmark}/report.json",
    log:
        "logs/check_benchmark/dataset={dataset}/seed={seed}/benchmark={benchmark}.log",
    benchmark:
        "benchmarks/check_benchmark/dataset={dataset}/seed={seed}/benchmark={benchmark}.tsv"
    wildcard_constraints:
        dataset="[^/]+",
    resources:
        **small,


rule gates:
    """Hold a study's data sets against their splits and benchmarks: what `make run` does first"""
    input:
        lambda w: sorted(
            {gate for row in studies[w.study] for gate in layout.gates(row["dataset"], row["seed"])}
        ),
    output:
        touch("results/leakage/study={study}.passed"),
    localrule: True
