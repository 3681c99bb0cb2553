"""A rule's paths follow from its name and its chain of wildcards; its code is tracked, its cost its own."""

import inspect
import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.data.settings import Shots
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.workflow.fingerprint import fingerprint
from scripts.lib.workflow.layout import log_of

pytest.importorskip("snakemake")
import tyro
from snakemake.io import strip_wildcard_constraints
from snakemake.iocontainers import Wildcards

UNTRACKED = {"find_unsure", "find_unsure_validation", "check_leakage", "check_benchmark", "drop_leakage"}
"""Steps upstream of sampling whose verdict stands until their inputs change; `-R <rule>` asks them again."""
PAGE = r"results/reports/\{study\}/[\w.]+"
ELSEWHERE = {"fetch": r"data/\{file\}", "manifest": PAGE, "report": PAGE, "cards": PAGE}
"""What is not at results/<stage>/<chain>/<name>: a user's data, and the pages that a user opens."""


def plain(path) -> str:
    """A path of a rule, its wildcards without their constraints."""
    return str(strip_wildcard_constraints(path))


def test_a_hook_is_declared_once():
    """Snakemake calls the last one alone."""
    files = [Path("Snakefile"), *Path("rules").iterdir()]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    hooks = re.findall(r"^on(?:start|success|error):", text, re.M)
    assert "onstart:" in hooks and len(hooks) == len(set(hooks))


def chain_of(rule) -> str:
    """The folders that name a job of a rule, from where its log lies."""
    (log,) = map(plain, rule.log)
    assert log.startswith(f"logs/{rule.name}/") and log.endswith(".log"), log
    return log.removeprefix(f"logs/{rule.name}/").removesuffix(".log")


def test_snakemake_lint_has_nothing_to_say(workflow) -> None:
    assert not workflow.lint()


def test_every_run_holds_the_folders_lock(workflow, monkeypatch) -> None:
    """A plain `snakemake`, too: Snakemake calls this before its first job, and in no dry run. And it looks
    for jobs on demand."""
    joined, limit = [], SimpleNamespace(max_jobs=100, timespan=1)
    monkeypatch.setattr(workflow, "scheduler", SimpleNamespace(job_rate_limiter=limit))
    monkeypatch.setattr(workflow.globals["lock"], "join", lambda: joined.append(True))
    monkeypatch.setattr(workflow, "_dag", SimpleNamespace(needrun_jobs=list))
    workflow._onstart(None)
    assert joined == [True] and workflow.scheduler.job_rate_limiter is None


@pytest.mark.parametrize(
    ("method", "python"),
    [("CONDA", "python"), ("APPTAINER", "/opt/redistill/.venv-gpu/bin/python")],
)
def test_steps_run_by_the_python_of_what_is_deployed(workflow, monkeypatch, method, python) -> None:
    deployed = {workflow.globals["DeploymentMethod"][method]}
    monkeypatch.setattr(workflow.deployment_settings, "deployment_method", deployed)
    assert workflow.globals["interpreter"](".venv-gpu", fork=True) == python


def test_every_rule_says_what_it_does(workflow) -> None:
    assert [rule.name for rule in workflow.rules if not rule.docstring] == []


def test_a_log_names_the_rule_and_its_chain(steps) -> None:
    for rule in steps:
        folders = chain_of(rule).split("/")
        names = [re.fullmatch(r"(?:(\w+)=)?\{(\w+)\}", folder).groups() for folder in folders]
        assert all(key == name or name in {"evaluated", "shard"} for key, name in names), rule.log
        assert {name for _, name in names} == rule.wildcard_names, rule.name


def test_a_benchmark_lies_as_the_log_does(steps) -> None:
    for rule in steps:
        if rule.benchmark:
            assert plain(rule.benchmark) == f"benchmarks/{rule.name}/{chain_of(rule)}.tsv"
            assert log_of(Path(plain(rule.benchmark))) == Path(plain(rule.log[0]))


def test_outputs_lie_under_their_stage_in_the_same_chain(steps) -> None:
    for rule in steps:
        chain = re.escape(chain_of(rule).removesuffix("/{shard}"))
        name = r"shards/\{shard\}\.json" if rule.name.endswith("_shard") else r"[\w.]+"
        place = ELSEWHERE.get(rule.name, rf"results/\w+/{chain}/(round=\d/)?{name}")
        for output in map(plain, rule.output):
            assert re.fullmatch(place, output), (rule.name, output)


def test_what_layout_and_report_name_is_what_one_rule_writes(workflow) -> None:
    layout = workflow.globals["layout"]
    for study, table in workflow.globals["studies"].items():
        named = set(workflow.globals["study_inputs"](SimpleNamespace(study=study)))
        named |= set(workflow.globals["study_models"](SimpleNamespace(study=study)))
        for row in table:
            named |= {*layout.teacher_samples(row), *layout.gates(row["dataset"], row["seed"])}
            named |= {layout.teacher_grades(row), layout.labels(row), layout.labelled(row)}
        for path in named - {"config/published.tsv"}:
            writers = [rule.name for rule in workflow.rules if rule.is_producer(path)]
            assert len(writers) == 1, (path, writers)


def test_every_step_tracks_the_code_that_it_runs(steps) -> None:
    for rule in steps:
        command = rule.shellcmd.replace("{params.step}", str(rule.params.get("step")))
        module = re.search(r"-m (scripts\.\w+\.\w+)", command).group(1)
        code = rule.params.get("code")
        if rule.name.endswith("_shard"):
            assert code(None, output=None) is None, rule.name
        else:
            assert code == (None if rule.name in UNTRACKED else fingerprint(module)), rule.name


def test_a_rule_asks_for_its_own_cost(workflow, steps) -> None:
    for rule in steps:
        _, resources = rule.ruleinfo.resources
        cost = inspect.getclosurevars(resources["mem_mb"]).nonlocals["cost"]
        assert resources == workflow.globals["small"] or cost.args == (rule.name,), rule.name


def test_one_set_of_pairs_measures_every_reward_after_a_warm_up_and_only_ppo_learns_its_queries(workflow):
    place = "dataset=world/teacher=tiny/student=tiny"
    held_out = f"results/held_out_pairs/{place}/warmup=wo_r/seed=0/pairs.parquet"
    own = f"results/pairs/{place}/reward=ours/seed=0/pairs.parquet"
    names = {"dataset": "world", "teacher": "tiny", "student": "tiny", "seed": "0"}
    reward = Wildcards(fromdict=names | {"reward": "ours"})
    for rule, key in (("evaluate_reward", "pairs"), ("pair", "held_out")):
        assert workflow.get_rule(rule).input[key](reward) == held_out
    reads = workflow.globals["READS"]
    for variant in ("ours", "wo_d", "rlvr"):
        policy = Wildcards(fromdict=names | {"variant": variant})
        assert reads["labels"]["pairs"](policy) == [own, held_out]
    assert reads["preferences"]["pairs"](Wildcards(fromdict=names | {"variant": "dpo"})) == own
    assert reads["preferences"]["pairs"](reward) == own


def test_the_held_out_share_is_that_of_the_rewards_after_the_warm_up(workflow, monkeypatch) -> None:
    rewards = workflow.globals["settings"].rewards
    for name, warmup, share in (("early", "sft", 0.3), ("late", "wo_r", 0.2)):
        pairing = replace(rewards["ours"].pairs, test_fraction=share)
        monkeypatch.setitem(
            rewards, name, rewards["ours"].model_copy(update={"warmup": warmup, "pairs": pairing})
        )
    fraction = workflow.get_rule("hold_out_pairs").params.get("test_fraction")
    assert fraction(SimpleNamespace(warmup="sft")) == 0.3


def test_ppo_is_told_to_learn_queries_without_a_label(workflow, monkeypatch) -> None:
    says, variants = workflow.globals["SAYS"]["labels"], workflow.globals["settings"].variants
    for queries, said in (("labelled", ""), ("all", "--unlabelled")):
        monkeypatch.setitem(variants, "ours", variants["ours"].model_copy(update={"queries": queries}))
        assert says(SimpleNamespace(variant="ours")) == said


def test_every_setting_of_a_training_reaches_its_step_null_among_them(workflow, monkeypatch) -> None:
    tyro, variants = pytest.importorskip("tyro"), workflow.globals["settings"].variants
    names = {"dataset": "world", "teacher": "tiny", "student": "tiny", "variant": "ours", "seed": "0"}
    for changes in ({"max_grad_norm": 0.5, "missing_eos_penalty": 1.0}, {"max_grad_norm": None}):
        settings = replace(variants["ours"].training, **changes)
        monkeypatch.setitem(variants, "ours", variants["ours"].model_copy(update={"training": settings}))
        words = workflow.globals["training"](Wildcards(fromdict=names), None, SimpleNamespace(gpu=0))
        assert tyro.cli(PpoTraining, args=shlex.split(words)) == replace(settings, gpus=PpoTraining().gpus)


def test_the_shots_of_a_data_set_reach_its_queries(workflow) -> None:
    given = Shots(file=Path("data/shots.jsonl"), group_column="category", answer_column="cot_content")
    block = SimpleNamespace(shots=given)
    line = workflow.globals["shots"](block)
    assert line.startswith("--shots.file data/shots.jsonl --shots.n 2 ")
    assert tyro.cli(Shots, args=shlex.split(line.replace("--shots.", "--"))) == given
    assert workflow.globals["shots"](SimpleNamespace(shots=Shots())) == ""


class Names(SimpleNamespace):
    """Wildcards as the rules take them."""

    def keys(self):
        return vars(self)

    def items(self):
        return vars(self).items()


@pytest.mark.parametrize("given", [{"max_grad_norm": None, "bf16": True}, {"max_grad_norm": 0.5}])
def test_a_training_is_told_what_the_config_says_null_included(workflow, monkeypatch, given) -> None:
    variants = workflow.globals["settings"].variants
    wanted = replace(variants["ours"].training, **given)
    monkeypatch.setitem(variants, "ours", variants["ours"].model_copy(update={"training": wanted}))
    ours = Names(dataset="world", teacher="tiny", student="tiny", variant="ours", seed="0")
    line = workflow.globals["training"](ours, None, SimpleNamespace(gpu=1))
    assert tyro.cli(PpoTraining, args=shlex.split(line)) == replace(wanted, gpus=PpoTraining().gpus)


def test_what_is_tracked_of_a_training_is_all_that_shapes_its_result(workflow, monkeypatch) -> None:
    variants, shape = workflow.globals["settings"].variants, workflow.globals["shape"]
    ours = Names(dataset="world", teacher="tiny", student="tiny", variant="ours", seed="0")
    seen = {shape(ours)}
    for given in ({"kl_coef": 0.3}, {"learning_rate": 1e-6}, {"max_grad_norm": 0.5}, {"fsdp": True}):
        other = replace(variants["ours"].training, **given)
        with monkeypatch.context() as patch:
            patch.setitem(variants, "ours", variants["ours"].model_copy(update={"training": other}))
            seen.add(shape(ours))
    assert len(seen) == 4  # fsdp says how the work is cut


def test_what_is_tracked_of_a_models_run_is_what_has_a_say_in_its_words(workflow) -> None:
    teacher, runs_on = workflow.globals["settings"].teachers["tiny"], workflow.globals["runs_on"]
    shaping = ({"dtype": "bfloat16"}, {"chat": not teacher.chat}, {"engine": "vllm"})
    assert len({runs_on(teacher), *(runs_on(replace(teacher, **given)) for given in shaping)}) == 4
    assert runs_on(replace(teacher, batch_size=7, gpu_memory_utilization=0.5)) == runs_on(teacher)
