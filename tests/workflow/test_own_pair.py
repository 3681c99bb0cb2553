"""The README's own pair: ten lines, a 1B and an 8B, get the method's settings and the GPUs that they need."""

import re
from pathlib import Path

import pytest
import yaml

from tests.workflow.project import ROOT, Project

pytest.importorskip("snakemake")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import DEFAULTS, over
from scripts.lib.config.plain import load
from scripts.lib.workflow.costs import Costs
from scripts.lib.workflow.sizes import sized

HUB = ROOT / "tests/support/hub"
README = (ROOT / "README.md").read_text()


def block(after: str, fence: str) -> str:
    """The first fenced block of a kind in the README after some words."""
    return re.search(rf"{re.escape(after)}.*?```{fence}\n(.*?)```", README, re.DOTALL)[1]


OWN = block("`config/mine.yaml`", "yaml")
TABLE = block("`config/studies/mine.tsv`", "")


@pytest.fixture
def costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Costs:
    monkeypatch.setenv("HF_HUB_CACHE", str(HUB))
    return Costs(sized(parse(over(load(DEFAULTS), yaml.safe_load(OWN)))))


def test_it_is_ten_lines() -> None:
    assert len(OWN.splitlines()) <= 10


def test_sizes_are_read_and_gpus_follow(costs: Costs) -> None:
    (teacher,), (student,) = costs.config.teachers.items(), costs.config.students.items()
    assert (round(teacher[1].billions, 2), round(student[1].billions, 2)) == (8.03, 1.24)
    names = {"dataset": "mine", "teacher": teacher[0], "student": student[0], "seed": "0"}
    asked = {
        "sample_teacher": 1, "sample_student": 1, "train_sft": 4, "train_reward": 1, "train_ppo": 2,
    }  # fmt: skip
    variants = {"train_sft": "wo_r", "train_ppo": "ours"}
    for rule, gpus in asked.items():
        cost = costs.of(rule, names | {"reward": "ours", "warmup": "wo_r", "variant": variants.get(rule, "")})
        assert cost.gpu == gpus and cost.mem_mb > 16_000, rule


def test_the_rates_are_the_methods(costs: Costs) -> None:
    config, names = costs.config, {"dataset": "mine", "teacher": "any", "student": "any"}
    ours = config.training("variant", variant="ours", **names)
    assert config.training("variant", variant="wo_r", **names).learning_rate == 5e-6
    assert config.training("reward", reward="ours", **names).learning_rate == 5e-5
    assert (ours.learning_rate, ours.total_episodes) == (1e-5, 200_000)
    assert config.training("variant", variant="wo_d", **names).learning_rate == 5e-5


@pytest.mark.slow
def test_it_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = own_project(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(HUB))
    plan = project.plan("--configfile", "config/mine.yaml", target="results/reports/mine/report.html")
    assert plan["train_ppo"] == plan["train_reward"] == 1
    assert "pretrain" not in plan


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "processes", "steps"), [("1", 1, 16), ("2", 2, 8), ("3", 2, 8), ("8", 4, 4)]
)
def test_a_machine_with_fewer_gpus_takes_the_same_updates_in_more_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, processes: int, steps: int
) -> None:
    project = own_project(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(HUB))
    target = "results/reports/mine/report.html"
    config = ("--configfile", "config/mine.yaml", "--resources", f"gpu={limit}")
    run = project.snakemake(target, "--dry-run", "--printshellcmds", *config)
    (command,) = re.findall(
        r"\S+ .*-m scripts\.train\.train_sft[^&]*variant=sft[^&]*", run.stdout + run.stderr
    )
    assert f"--gradient-accumulation-steps {steps} " in command
    assert (f"--num_processes {processes} " in command) is (processes > 1)


@pytest.mark.slow
def test_without_its_size_it_stops_with_the_key_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = own_project(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    run = project.snakemake("--dry-run", "--configfile", "config/mine.yaml")
    errors = [line for line in run.stderr.splitlines() if line.startswith("error:")]
    assert run.returncode and len(errors) == 1
    assert re.search(r"error: teachers\.\S+: the size of meta-llama/\S+ is not known here", errors[0])
    assert "set its `billions`" in errors[0]


def own_project(folder: Path) -> Project:
    project = Project(folder)
    (folder / "config/mine.yaml").write_text(OWN)
    (folder / "config/studies/mine.tsv").write_text(TABLE)
    (folder / "data").mkdir()
    for file in ("mine", "mine_test"):
        (folder / f"data/{file}.jsonl").write_text('{"question": "How many?", "answer": "10"}\n')
    return project
