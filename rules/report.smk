"""Report: everything a study made -> one page, its tables and its numbers; its models' cards with these."""


rule manifest:
    """List what a study is made of"""
    input:
        study_inputs,
    output:
        "results/reports/{study}/manifest.json",
    log:
        "logs/manifest/study={study}.log",
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.report.manifest"),
        config=lambda w: used(settings, w.study, studies[w.study]).model_dump_json(exclude={"report_to"}),
    shell:
        r"""
        {params.python} -m scripts.report.manifest \
            --study {wildcards.study:q} \
            --config {params.config:q} \
            --output {output:q} \
            &>{log:q}
        """


rule report:
    """Write the page, its tables as Markdown and LaTeX, and its numbers"""
    input:
        study_inputs,
        manifest="results/reports/{study}/manifest.json",
        template=sorted(
            str(path)
            for path in Path("scripts/lib/report/drawing").iterdir()
            if path.suffix in {".j2", ".css", ".js"}
        ),
    output:
        html="results/reports/{study}/report.html",
        markdown="results/reports/{study}/report.md",
        latex="results/reports/{study}/tables.tex",
        results="results/reports/{study}/results.json",
        metrics="results/reports/{study}/metrics.parquet",
    log:
        "logs/report/study={study}.log",
    benchmark:
        "benchmarks/report/study={study}.tsv"
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.report.report"),
    shell:
        r"""
        {params.python} -m scripts.report.report \
            --manifest {input.manifest:q} \
            --output-html {output.html:q} \
            --output-markdown {output.markdown:q} \
            --output-latex {output.latex:q} \
            --output-results {output.results:q} \
            --output-metrics {output.metrics:q} \
            &>{log:q}
        """


rule cards:
    """Copy the card of every model that a study trained, with the numbers of the study's report"""
    input:
        results="results/reports/{study}/results.json",
        models=study_models,
    output:
        directory("results/reports/{study}/cards"),
    log:
        "logs/cards/study={study}.log",
    conda:
        "../envs/driver.yaml"
    resources:
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.report.cards"),
    shell:
        r"""
        {params.python} -m scripts.report.cards \
            --results {input.results:q} \
            --models {input.models:q} \
            --output {output:q} \
            &>{log:q}
        """
