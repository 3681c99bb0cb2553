"""redistill: distil a large language model's answers and its judgement into a small one."""


configfile: "config/config.yaml"


if not workflow.overwrite_configfiles:

    configfile: "config/world.yaml"


include: "rules/common.smk"
include: "rules/world.smk"
include: "rules/queries.smk"
include: "rules/sample.smk"
include: "rules/label.smk"
include: "rules/judge.smk"
include: "rules/shards.smk"
include: "rules/pair.smk"
include: "rules/train.smk"
include: "rules/score.smk"
include: "rules/report.smk"


onstart:
    # AlpacaEval comes last: a missing key is said before the first GPU-hour, not after the last.
    keyless(workflow.dag.needrun_jobs())
    working()


onsuccess:
    sweep(settings.state)


localrules:
    all,
    demo,


rule all:
    """Every study's report"""
    default_target: True
    input:
        expand("results/reports/{study}/report.html", study=studies),


rule demo:
    """The whole method on the embedded world"""
    input:
        "results/reports/demo/report.html",
