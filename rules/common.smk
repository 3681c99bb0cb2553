"""What the rules share: the checked config, what they look up in it, its blocks as flags, interpreters."""

import gc
import json
import os
import re
import shlex
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from scripts.launch import forkserver
from scripts.lib.config.check import asked, parse as check_config, rows
from scripts.lib.config.layers import WORLD, layers
from scripts.lib.config.methods import BY_RULE, POLICIES, rule_of
from scripts.lib.config.models import Pretraining
from scripts.lib.config.training import Trained
from scripts.lib.config.variants import Repeated
from scripts.lib.config.whole import Config, listed, used
from scripts.lib.engines.base import Run
from scripts.lib.engines.openai.server import Server
from scripts.lib.errors import one_line
from scripts.lib.evaluation.alpaca import require_key
from scripts.lib.models.prompting import Prompting
from scripts.lib.process.checkpoint_dir import sweep
from scripts.lib.process.cli import GARBAGE
from scripts.lib.process.lease import remember_restart
from scripts.lib.process.nodes import srun
from scripts.lib.report.inputs import study_of
from scripts.lib.runs import attempts, gpus, lock, plugin, scheduling, slurm
from scripts.lib.settings.step import flag, words
from scripts.lib.tasks import is_judged, may_spell_variously
from scripts.lib.tasks.verifier import is_verifier
from scripts.lib.workflow import snapshot
from scripts.lib.workflow.choosers import decided
from scripts.lib.workflow.costs import Cost, Costs, training_gpus
from scripts.lib.workflow.fingerprint import meaning
from scripts.lib.workflow.layout import IMAGE, Layout
from scripts.lib.workflow.matched import matched
from scripts.lib.workflow.sizes import sized

gc.set_threshold(*GARBAGE)
plugin.install()
remember_restart()


def given():
    """What each config file of this run says. Raises UserError for one that is no data"""
    files = workflow.overwrite_configfiles or [WORLD]
    return layers(*files, **workflow.config_settings.config)


def resolved():
    """The config as it is now, checked, and the rows of its studies"""
    given()  # where profiles/default was not read, Snakemake has taken what is no data
    found = decided(sized(check_config(config, layers=given)))
    tables = {study: rows(found, study) for study in found.studies}
    every_row = [row for table in tables.values() for row in table]
    if workflow.is_main_process:
        from scripts.lib.workflow.ready import check_ready  # jobs, too, read this file

        used_tables = asked(found, sys.argv[1:])
        Costs(found).check(every_row)
        check_ready(found, used_tables)
        if slurm.is_slurm(sys.argv[1:]):
            attempts.install()
    return matched(found, every_row), tables


with one_line():
    if not workflow.is_main_process:
        lock.belong()
    began = None if workflow.is_main_process else snapshot.join()
    if began:
        settings, studies = Config.model_validate(began.config), began.studies
    else:
        settings, studies = resolved()
        began = snapshot.Snapshot.take(settings.model_dump(mode="json"), studies)
    costs = Costs(settings)


def working():
    """Hold this folder's lock before the first job starts, as every run does, and say what the run works from

    On SLURM it goes on with what an earlier run has left there.
    """
    with one_line():
        lock.join()
        began.write()
        scheduling.on_demand(workflow.scheduler)
        if slurm.is_slurm(sys.argv[1:]):
            plugin.take_over(workflow.dag)


def one_of(names):
    """A wildcard constraint: exactly these names"""
    return "|".join(map(re.escape, names)) or "no-such-name"


fingerprint = began.fingerprint
layout = Layout(settings)
world_datasets = [name for name, block in settings.datasets.items() if block.world]
real_datasets = [name for name in settings.datasets if name not in world_datasets]
judged_datasets = [name for name in settings.datasets if layout.judged(name)]
voted_datasets = [name for name in settings.datasets if name not in judged_datasets]
judged_benchmarks = [name for name, block in settings.benchmarks.items() if is_judged(block.task)]
read_benchmarks = [name for name in settings.benchmarks if name not in judged_benchmarks]
trained_models = [name for name, block in settings.models.items() if isinstance(block, Pretraining)]
base_variant = next(
    (name for name, block in settings.variants.items() if getattr(block, "who", "") == "student"), None
)
repeated_variants = [name for name, block in settings.variants.items() if isinstance(block, Repeated)]
answering = one_of(name for name in settings.variants if name not in repeated_variants)
any_evaluated = f"(teacher|student)=[^/]+|dataset=[^/]+/teacher=[^/]+/student=[^/]+/variant=({answering})"


# A command is made of its rule's input, output, log, wildcards and params, and of nothing else. Snakemake
# remembers the params of what it made and makes it again when one changes. What has no say in the content is
# `untracked`.


def untracked(value):
    """A param that runs nothing again when it changes: a value, or a function of the wildcards

    Snakemake does not remember a param whose function takes the output: it expects it to follow from the
    files.
    """
    return lambda wildcards, output: value(wildcards) if callable(value) else value


def interpreter(environment, fork=False):
    """The Python of an environment: its own under `--sdm conda`, the image's under `--sdm apptainer`
    (envs/redistill.def), else the one beside the Snakefile

    With `fork`, steps are forked by the server that `scripts.commands.run` may have started for them.
    """
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        return "python"
    if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
        return f"{IMAGE}/{environment}/bin/python"
    path = Path(environment, "bin", "python")
    if not path.exists():
        return shlex.quote(sys.executable)
    return f"{path} -m scripts.launch.forkserver" if fork and forkserver.SOCKET in os.environ else str(path)


def sampler(wildcards, output, resources):
    """The GPU environment's Python; where a model lies on several nodes, on the first: the engine starts others"""
    nodes = nodes_here(resources)
    start = shlex.join(srun(1, resources.cpus_per_task, resources.gpu // nodes)) if nodes > 1 else ""
    return f"{start} {interpreter('.venv-gpu', fork=nodes == 1)}".strip()


def nodes_here(resources):
    """Nodes of a job: those it asks SLURM for; anywhere else there is one"""
    return resources.nodes if workflow.remote_exec else 1


driver = untracked(interpreter(".venv"))
gpu = untracked(interpreter(".venv-gpu", fork=True))
evaluation = untracked(interpreter(".venv-eval"))
store = untracked(settings.store)
state = untracked(settings.state)
report_to = untracked(" ".join(settings.report_to))

# A step that SLURM asks to end has the time that the profile gives it. Without the trap bash would die of
# SIGTERM at once, Snakemake would take the step for failed, and SLURM would kill it within seconds.
shell.prefix("set -euo pipefail; trap : TERM; ")


def names(wildcards):
    """Wildcards as a plain dict, the seed a number"""
    found = dict(wildcards.items())
    return found | {"seed": int(found["seed"])} if "seed" in found else found


def trained_by(rule):
    """A wildcard constraint: the variants that a rule trains"""
    return one_of(
        name
        for name, block in settings.variants.items()
        if isinstance(block, Trained) and rule_of(block.method) == rule
    )


def present(*paths):
    """The paths that are not None"""
    return [path for path in paths if path is not None]


def asked_for(cost):
    """Resources by the cost of a rule's job, a function of its wildcards, and by what befell it before"""

    def part(key):
        return lambda wildcards, rulename: cost(dict(wildcards.items())).request(
            settings.max_hours, settings.slack, attempts.past_of(rulename, wildcards)
        )[key]

    return {key: part(key) for key in Cost().request(1)}


def needs(rule):
    """What a rule's jobs ask for (scripts/lib/workflow/costs.py)"""
    return asked_for(partial(costs.of, rule)) | placed(rule)


def placed(rule):
    """Where on SLURM a rule's jobs run, as far as the config says it of a model; else the profile's default"""

    def part(key):
        default = workflow.resource_settings._parsed_default_resources.get(key)

        def place(wildcards, attempt):
            given = costs.placement(rule, dict(wildcards.items())).get(key)
            more = dict(attempt=attempt, input=[], threads=1, rulename=rule, async_run=workflow.async_run)
            return given if given or default is None else default.evaluate(wildcards, **more).value

        return place

    models = [*settings.teachers.values(), *settings.students.values()]
    return {key: part(key) for key in sorted({key for model in models for key in model.resources.given})}


small = asked_for(costs.table)
"""What a CPU step over tables asks for"""


def flags(block, **which):
    """A config block as the flags of a step"""
    return shlex.join(words(block, **which))


def alarms(*keys):
    """When a step says that something goes wrong: all of the config's `alarms`, or some, as flags"""
    return untracked(flags(settings.alarms, only=keys, prefix="alarms."))


def optional(name, value):
    """A flag for a value, or several, that may be missing"""
    return shlex.join(flag(name, value)) if value else ""


def runs_on(block, prefix=""):
    """How a model is run, as far as that has a say in its words; of a server, which"""
    shaping = [field.name for field in fields(Run) if field.name not in Run.CUT]
    return f"{flags(block, only=shaping, prefix=prefix)} {served(block, prefix, only=Server.WHICH)}".strip()


def prompting(block):
    """How a model is shown its prompts"""
    return flags(block, only=[field.name for field in fields(Prompting)])


def pace(block, prefix=""):
    """How the work is cut; how fast a server is asked and what it may cost"""
    return (
        f"{flags(block, only=Run.CUT, prefix=prefix)} {served(block, prefix, without=Server.WHICH)}".strip()
    )


def served(block, prefix="", **which):
    """The `server` block of a teacher as flags, "" where it has none"""
    server = getattr(block, "server", None)
    return flags(server, prefix=f"{prefix}server.", **which) if server else ""


def shots(block):
    """The `shots` block of a data set or benchmark as flags, "" where it has none"""
    return flags(block.shots, prefix="shots.") if block.shots.file else ""


def verifier(block):
    """What the user's own verifier of a block means, "" for a task of ours: another one reads answers anew"""
    return meaning(Path(block.task)) if is_verifier(block.task) else ""


def known_answers(w, answers):
    """What a teacher's samples were read as, for a task whose equal answers have several spellings"""
    return answers(names(w)) if may_spell_variously(dataset(w).task) else []


def golds_of(w, split):
    """The reference answers of a split, where labels are golds"""
    return [layout.queries(w.dataset, w.seed, f"{split}_golds")] if teacher(w).vote.by == "golds" else []


def imports(blocks):
    """The models, temperatures and columns of imported files, one value a file"""
    return " ".join(
        shlex.join(flag(key, [getattr(block, key.replace("-", "_")) for block in blocks]))
        for key in ("model", "temperature", "id-column", "completion-column")
    )


def settings_of(w):
    """The settings of a training, of a variant or of a reward model"""
    return settings.training("variant" if "variant" in w.keys() else "reward", **names(w))


def shape(w):
    """What the result of a training depends on: of how its work is cut only the examples of an update"""
    return json.dumps(settings_of(w).shape(training_processes(w)))


def training(wildcards, output, resources):
    """The settings of a training as flags, how its work is cut among them: `shape` is what is tracked"""
    here = processes_here(wildcards, resources)
    settings = costs.fitted(dict(wildcards.items())).on(training_processes(wildcards), here)
    return flags(settings, without=["gpus"])


def processes(wildcards, output, resources):
    """How a training on several GPUs is launched: one process each, on every node of the job; nothing for one"""
    count, nodes = processes_here(wildcards, resources), nodes_here(resources)
    if count == 1:
        return ""
    launch = f"-m scripts.launch.launch --num_processes {count}"
    if nodes == 1:
        return launch
    share = f"--cpus {resources.cpus_per_task} --gpus {count // nodes}"
    return f"-m scripts.launch.nodes --nodes {nodes} {share} {launch} --num_machines {nodes}"


def training_processes(w):
    return training_gpus(student(w), settings_of(w)) or 1


def processes_here(w, resources):
    """As many as the job has GPUs, which a machine's limit may cut; so many that they share an update evenly"""
    return gpus.processes(training_processes(w), resources.gpu, nodes_here(resources))


def events(rule):
    """Where a training's TensorBoard files lie: beside the logs, so that they outlive retries"""
    return lambda w: str(Path("logs/tensorboard", rule, *(f"{key}={value}" for key, value in w.items())))


# What the names in a path stand for. `w` are the wildcards of a job.


def dataset(w):
    return settings.datasets[w.dataset]


def teacher(w):
    return settings.teachers[w.teacher]


def student(w):
    return settings.students[w.student]


def variant(w):
    return settings.variants[w.variant]


def benchmark_of(w):
    return settings.benchmarks[w.benchmark]


def judge_of(w):
    return teacher(w).judge


def asked_within(w):
    """How a policy's training asks the teacher for r, as far as that shapes it; "" where another gives r"""
    judge = layout.judge(names(w))
    if judge is None:
        return ""
    model, judging = teacher_model(w), flags(judge, without=["prompt", "combine"], prefix="judge.judging.")
    named = [
        ("judge.model", model.name),
        ("judge.revision", model.revision),
        ("judge.combine", judge.combine),
    ]
    named += [("judge.seed", str(teacher(w).seed))]
    said = " ".join(optional(name, value) for name, value in named)
    return f"{said} {judging} {runs_on(teacher(w).in_training, 'judge.')}"


def pace_within(w):
    """How fast the teacher is then asked and what it may cost, and the store"""
    if layout.judge(names(w)) is None:
        return ""
    return f"{pace(teacher(w).in_training, 'judge.')} --judge.store {shlex.quote(str(settings.store))}"


def asks_weights(method):
    """The weights of the teacher that a training reads here, where it does"""
    return lambda w: (
        present(teacher_model(w).identity) if "teacher" in method.reads or layout.judge(names(w)) else []
    )


def warmup(w):
    return settings.rewards[w.reward].warmup


def prompt(w):
    """The template of the data set, or of the benchmark where there is no data set in the path"""
    block = benchmark_of(w) if "benchmark" in w.keys() else dataset(w)
    return f"config/prompts/{block.prompt}.jinja"


def teacher_model(w):
    return layout.model(teacher(w), int(w.seed))


def start(w):
    """The model that a training starts from: its warm-up's checkpoint, or the base student"""
    block = variant(w) if "variant" in w.keys() else settings.rewards[w.reward]
    return layout.checkpoint(names(w), getattr(block, "warmup", None) or base_variant)


def first_round(w):
    """Samples a query has from the first round"""
    return teacher(w).base.samples


def pairs_of(w):
    """The pairs that a reward model or a variant is trained on"""
    return layout.reward(names(w), w.get("reward") or variant(w).pairs, "pairs.parquet", "pairs")


def held_out_pairs(w, reward):
    """The pairs that no reward after this one's warm-up is trained on"""
    return layout.student(names(w), settings.rewards[reward].warmup, "held_out_pairs", "pairs.parquet")


def test_fraction(w):
    """The share of the queries whose pairs are held out: the same for all rewards after a warm-up"""
    return next(block.pairs.test_fraction for block in settings.rewards.values() if block.warmup == w.warmup)


def queries_of(w):
    """The pairs on whose queries a policy is trained: held out are pairs of a reward model, not queries of it"""
    return [pairs_of(w), held_out_pairs(w, variant(w).pairs)]


def reward_model_of(w):
    """The reward model that a variant is trained under, as a list of one; of none where there is none"""
    block = settings.variants.get(w.get("variant"))
    under = (
        isinstance(block, Trained) and block.method in POLICIES and not block.training.without_reward_model
    )
    return [layout.reward_model(names(w), block.reward)] if under else []


def student_samples_of(w):
    """The warm student's samples that a reward model or a variant is trained on"""
    reward = w.get("reward") or variant(w).reward
    return layout.student(names(w), settings.rewards[reward].warmup, "student_samples", "samples.parquet")


# What a training takes beside queries, prompt and the model that it starts from, by the names that its method
# gives: files by the name of their flag, and what the config says of them.
READS = {
    "answers": {
        "samples": lambda w: layout.learnt_samples(names(w)),
        "grades": lambda w: present(layout.learnt_grades(names(w))),
    },
    "preferences": {
        "teacher_samples": lambda w: layout.teacher_samples(names(w)),
        "student_samples": student_samples_of,
        "pairs": pairs_of,
    },
    "labels": {
        "labels": lambda w: layout.labels(names(w)),
        "pairs": queries_of,
    },
    "teacher": {},
    "reward_model": {
        "teacher_samples": lambda w: layout.teacher_samples(names(w)) if settings_of(w).adversarial else [],
    },
    "judge": {
        "judge_prompt": lambda w: (
            f"config/prompts/{judge.prompt}.jinja" if (judge := layout.judge(names(w))) else []
        ),
    },
    "validation": {
        "validation": lambda w: layout.queries(w.dataset, w.seed, "validation"),
        "validation_golds": lambda w: (
            [layout.queries(w.dataset, w.seed, "validation_golds")] if dataset(w).chosen_by == "golds" else []
        ),
        "validation_labels": lambda w: (
            [layout.validation_labels(names(w))] if layout.voted_on(w.dataset) else []
        ),
    },
}
SAYS = {
    "answers": lambda w: f"--answers {variant(w).answers}",
    "preferences": lambda w: f"--best-score {layout.best_score(w.dataset)}",
    "labels": lambda w: "--unlabelled" if variant(w).queries == "all" else "",
    "teacher": lambda w: " ".join(
        optional(name, value)
        for name, value in (
            ("teacher", teacher_model(w).name),
            ("teacher-revision", teacher_model(w).revision),
        )
    ),
    "reward_model": lambda w: " ".join(optional("reward-model", model.name) for model in reward_model_of(w)),
    "judge": asked_within,
    "validation": lambda w: flags(dataset(w), only=["task", "max_tokens", "stop"]),
}


def trainings():
    """The rules that train, as step, method and whether a judge chooses among candidates"""
    return [
        (step, method, judged)
        for step, method in BY_RULE.items()
        for judged in ([False, True] if "validation" in method.reads else [False])
    ]


def datasets_of(method, judged):
    """The data sets on which such a rule trains"""
    if "validation" not in method.reads:
        return settings.datasets
    return judged_datasets if judged else voted_datasets


def made(folder, judged, asks):
    """What a training writes into a folder, by the names of its flags; one that may ask a judge, a ledger"""
    more = {"metrics": f"{folder}/metrics.jsonl"} | ({"ledger": f"{folder}/ledger.json"} if asks else {})
    if judged:
        return {"output": directory(f"{folder}/candidates")} | more
    return {"output": directory(f"{folder}/checkpoint"), "identity": f"{folder}/identity.json"} | more


def named_results(wildcards, output):
    """What a training writes, as flags"""
    return " ".join(optional(name, path) for name, path in output.items())


def read_files(method):
    """The files that a method takes, by the names of their flags"""
    named = {name: files for group in method.reads for name, files in READS[group].items()}
    return lambda w: {name: files(w) for name, files in named.items()}


def file_flags(method):
    """The same files as flags"""
    named = [name for group in method.reads for name in READS[group]]
    return lambda w, input: " ".join(optional(name.replace("_", "-"), listed(input[name])) for name in named)


def said(method):
    """What the config says of a method's files, as flags"""
    return lambda w: " ".join(SAYS[group](w) for group in method.reads)


def priority_of(rule):
    """Trainings that others wait for come first"""
    return 9 - list(BY_RULE).index(rule)


def study_inputs(w):
    """Every file that a study's page is made of"""
    return study_of(layout, w.study, studies[w.study]).files()


def study_models(w):
    """The folders of the models that a study trains"""
    return study_of(layout, w.study, studies[w.study]).models()


def keyless(jobs):
    """Stop in one line where the official annotator will be asked and there is no key"""
    with one_line():
        for job in jobs:
            if job.rule.name == "alpaca_eval":
                require_key(benchmark_of(job.wildcards).annotator)


wildcard_constraints:
    dataset="[^/]+",
    teacher="[^/]+",
    student="[^/]+",
    variant="[^/]+",
    reward="[^/]+",
    warmup="[^/]+",
    benchmark="[^/]+",
    model="[^/]+",
    study="[^/]+",
    seed=r"\d+",
    round=r"\d+",
    shard=r"[0-9a-f]{8}/\d+-of-\d+",
