"""What the plan adds up, and the budgets it holds."""

import contextlib
from pathlib import Path

import pytest

pytest.importorskip("snakemake")

from scripts.commands import plan
from scripts.lib.errors import UserError

ROOT = Path(__file__).parents[2]


def job(rule="train_ppo", because="Missing output files: a", gpu=4, **resources):
    needs = {
        "gpu": gpu,
        "runtime": 60,
        "expected": 1800,
        "at_most": 7200,
        "tokens": 10,
        "cents": 150,
    } | resources
    return {
        "rule_name": rule,
        "reason": because,
        "output": ["a"],
        "resources": needs,
        "benchmark": "benchmarks/x/seed=0.tsv",
    }


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan.past_seconds.cache_clear()


def test_jobs_of_a_rule_and_reason_are_one_line():
    lines = plan.summarise([job(), job(), job(because="Params have changed since last execution: x")])
    assert [(line["jobs"], line["because"]) for line in lines] == [
        (2, "not made yet"),
        (1, "its settings or code have changed"),
    ]
    assert lines[0]["hours"] == 4 and lines[0]["GPU-hours"] == 16
    assert lines[0]["expected"] == 1 and lines[0]["expected GPU-hours"] == 4
    assert lines[0]["dollars"] == 3 and lines[0]["tokens"] == 20


def test_a_training_on_fewer_gpus_takes_as_much_longer_and_costs_the_same():
    [whole], [cut] = plan.summarise([job(gpus_wanted=4)]), plan.summarise([job(gpu=1, gpus_wanted=4)])
    assert (cut["GPUs"], cut["hours"], cut["expected"]) == (1, 8, 2) and cut["cut"] is None
    assert [cut[key] for key in ("GPU-hours", "expected GPU-hours")] == [8, 2]
    assert [whole[key] for key in ("GPU-hours", "expected GPU-hours")] == [8, 2]
    with pytest.raises(UserError, match="needs 8.0 GPU-hours at most"):
        plan.hold_budget([cut], {"GPU-hours": 7}, {})


def test_hours_measured_on_fewer_gpus_are_as_measured(tmp_path):
    path = tmp_path / "benchmarks/x/seed=0.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("s\th:m:s\n900\t-\n")
    [line] = plan.summarise([job(gpu=1, gpus_wanted=4)])
    assert (line["hours"], line["expected"], line["expected GPU-hours"]) == (8, 0.25, 0.25)


def test_sampling_that_may_not_hold_its_gpus_is_planned_with_them_and_said():
    jobs = [job("sample_teacher", gpu=1, gpus_wanted=count) for count in (1, 4)]
    [line] = lines = plan.summarise(jobs)
    assert (line["GPUs"], line["hours"], line["GPU-hours"]) == (4, 4, 10)
    said = ["sample_teacher: needs 4 GPUs, the profile lets 1 be held (`--resources gpu=N`)"]
    assert plan.notes(lines, False, True, 100) == plan.notes(lines, True, False, 100) == said
    assert plan.notes(lines, False, False, 100) == [plan.NO_GPU]
    assert not plan.notes(plan.summarise(jobs[:1]), False, True, 100)


def test_target_rules_cost_nothing():
    assert plan.summarise([job(rule="all") | {"output": []}]) == []


def test_finished_jobs_here_are_preferred_to_the_model(tmp_path):
    for seed, seconds in enumerate((100, 300, 200)):
        path = tmp_path / f"benchmarks/x/seed={seed}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t-\n")
    [line] = plan.summarise([job()])
    assert line["expected"] == 200 / 3600 and line["seen"]


def test_budgets_are_split_from_snakemake_s_arguments():
    budget, rest = plan.budgets(["--max-gpu-hours", "10", "-n", "--max-dollars=2.5", "all"])
    assert budget == {"GPU-hours": 10, "dollars": 2.5}
    assert rest == ["-n", "all"]


@pytest.mark.parametrize("arguments", [["--max-dollars", "ten"], ["--max-gpu-hours"]])
def test_a_budget_is_a_number(arguments):
    with pytest.raises(UserError, match="is not a number"):
        plan.budgets(arguments)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_its_own(capsys, flag):
    assert plan.main(["--profile", "profiles/local", flag]) == 0
    said = capsys.readouterr()
    assert "--settings VARIANT" in said.out and not said.err


def test_the_version_is_snakemake_s(capsys):
    with pytest.raises(SystemExit) as stop:
        plan.main(["--version"])
    assert not stop.value.code and capsys.readouterr().out[0].isdigit()


def test_a_variant_that_the_study_lacks_has_no_settings_to_show(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    plan.describe(["results/reports/demo/report.html"], "ours")
    assert "learning_rate" in capsys.readouterr().out
    with pytest.raises(UserError, match="--settings grpo: no row of this study has it"):
        plan.describe(["results/reports/demo/report.html"], "grpo")


def test_a_plan_above_its_budget_is_refused():
    lines = plan.summarise([job(), job()])
    plan.hold_budget(lines, {"GPU-hours": 16, "dollars": 3}, {})
    for name in ("GPU-hours", "dollars"):
        total = plan.totals(lines)[name]
        with pytest.raises(
            UserError, match=f"{total:.1f} {name} at most after the 0.5 that runs here have spent, the"
        ):
            plan.hold_budget(lines, {name: total}, {name: 0.5})
    with pytest.raises(
        UserError, match="needs 16.0 GPU-hours at most, the budget is 15.9: .* --max-gpu-hours"
    ):
        plan.hold_budget(lines, {"GPU-hours": 15.9}, {"dollars": 9})
    with pytest.raises(UserError, match="dollars"):
        plan.hold_budget(lines, {"dollars": 2.99}, {"GPU-hours": 9})


STEPS = """
rule all:
    input: "b.txt", "d.txt"

rule first:
    output: "{name}.first"
    resources: runtime=40, mem_mb=3000, cpus_per_task=2
    shell: "touch {output}"

rule second:
    input: "a.first", "c.first"
    output: "b.txt"
    resources: runtime=30, mem_mb=1000, cpus_per_task=1
    shell: "touch {output}"

rule third:
    output: "d.txt"
    resources: runtime=50, mem_mb=1000, cpus_per_task=1
    shell: "touch {output}"
"""


@pytest.mark.parametrize(
    ("minutes", "memory", "words"),
    [
        (70, 6000, None),
        (69, 6000, "rule first.second: asks for 1 h 10 min, partition cpu allows 1 h 9 min: apart its st"),
        (70, 5999, r"rule first.second: asks for 6,000 MB of memory, the largest .* has 5,999: apart"),
        (49, 6000, "rule third: asks for 50 min, partition cpu allows 49 min: lower max_hours"),
    ],
)
def test_a_group_is_held_against_the_cluster_as_it_is_submitted(
    tmp_path, monkeypatch, minutes, memory, words
):
    """Of three steps two run side by side, then the third."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    (tmp_path / "Snakefile").write_text(STEPS)
    profile = ["--profile", str(ROOT / "profiles/slurm"), "--slurm-partition-config", "partitions.yaml"]
    (tmp_path / "partitions.yaml").write_text("partitions: {cpu: {max_gpu: 0}}\n")
    assert plan.announce([*profile, "--groups", "first=both", "second=both"]) == 0
    groups = list(map(plan.grouped, plan.Planner.groups))
    rehearsed = []
    monkeypatch.setattr(plan.slurm, "rehearse", lambda jobs, known: rehearsed.extend(jobs))
    monkeypatch.setattr(plan.slurm, "remembers", lambda command: None)
    monkeypatch.setattr(plan.limits, "site", plan.limits.Site)
    monkeypatch.setattr(plan.slurm, "profile", lambda arguments: {})
    monkeypatch.setattr(plan.slurm, "choose", lambda resources, file: "cpu")
    node = plan.slurm.Node("a", 8, memory, {})
    known = {"cpu": plan.slurm.Partition("cpu", minutes, (node,))}
    with contextlib.nullcontext() if words is None else pytest.raises(UserError, match=words):
        plan.hold_cluster(plan.Planner.jobs, groups, profile, known)
    if words is None:
        [group] = [job for job in rehearsed if "+" in job.rule]
        assert (group.minutes, group.mem_mb, group.cpus, group.nodes) == (70, 6000, 4, 1)
        assert group.command[group.command.index("--mem") + 1] == "6000"


def test_what_earlier_attempts_held_is_no_longer_planned():
    [line] = plan.summarise([job(held=1800)])
    assert (line["hours"], line["GPU-hours"]) == (1.5, 6)
    plan.hold_allowance([job(held=6900)])
    with pytest.raises(UserError, match="train_ppo: its attempts have held 1 h 56 min of the 2 h planned"):
        plan.hold_allowance([job(held=6960)])


def test_a_job_longer_than_the_limit_is_said():
    [note] = plan.notes(plan.summarise([job(starts=6), job(starts=2)]), True, False, 100)
    assert note == "train_ppo: longer than max_hours; goes on by itself, in 6 starts as expected"


def test_the_table_ends_in_totals():
    text = plan.table(plan.summarise([job(), job(rule="score", gpu=0)])).splitlines()
    assert text[3].split()[:2] == ["total", "2"]
    assert "2 jobs: 8.0 GPU-hours at most, 2.0 expected" in text[-1]


def test_nothing_to_do():
    assert plan.table([]).startswith("Nothing to do")


@pytest.mark.parametrize(("device", "seen"), [("nvidia0", True), ("kfd", True), ("null", False)])
def test_a_gpu_is_seen_by_its_driver(tmp_path, device, seen):
    (tmp_path / device).touch()
    assert plan.has_gpu(tmp_path) is seen


@pytest.mark.parametrize(
    ("gpus", "on_slurm", "gpu", "free", "says"),
    [
        (1, False, False, 10, ["no GPU is seen"]),
        (1, True, False, 10, []),
        (1, False, True, 10, []),
        (0, False, False, 10, []),
        (0, False, False, 4, ["up to 5 GB may be written, and 4 GB are free here"]),
    ],
)
def test_what_this_machine_lacks_is_said(gpus, on_slurm, gpu, free, says):
    notes = plan.notes(plan.summarise([job(gpu=gpus, disk_mb=5000)]), on_slurm, gpu, free)
    assert len(notes) == len(says) and all(
        note.startswith(said) for note, said in zip(notes, says, strict=True)
    )
