"""The open-ended path whole: a served teacher judges, its student learns under a real judge's reward, AlpacaEval reports."""

import json
from pathlib import Path

import pytest
import yaml

from scripts.lib.alpaca import ROWS
from tests.judge_server import JudgeServer, write_gamed
from tests.workflow.project import ROOT, Project

pytest.importorskip("snakemake")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all((ROOT / name / "bin/python").exists() for name in (".venv-gpu", ".venv-eval")),
        reason="needs .venv-gpu and .venv-eval; `make setup .venv-eval/ready` makes them",
    ),
]

CONFIG = ("--configfile", "config/config.yaml", "open.yaml")
REPORT = "results/reports/open/report.html"
CHAIN = "dataset=asked/teacher=served"
STUDENT = f"{CHAIN}/student=small"
THINGS = [
    "sky", "sea", "sun", "rain", "snow", "tree", "bird", "fish", "road", "house", "door", "clock", "bell", "lamp", "salt",
    "bread", "glass", "stone", "river", "moon", "grass", "horse", "wheel", "knife", "chair",
]  # fmt: skip
TRAITS = [
    "blue", "cold", "warm", "tall", "slow", "fast", "round", "loud", "soft", "bright", "heavy", "old", "green", "sweet",
    "thin", "deep", "dry", "wet", "sharp", "white", "black", "small", "large", "clean", "still", "strange", "smooth",
    "wide", "bent", "rare", "plain", "dull", "red", "flat", "strong",
]  # fmt: skip


def write_questions(folder: Path) -> None:
    """60 questions without answers, AlpacaEval's 805 with a reference's outputs, and stand-ins for df_gamed.csv."""
    questions = [f"Why is the {thing} {trait}?" for trait in TRAITS for thing in THINGS]
    asked, held_out = questions[:60], questions[-ROWS:]
    (folder / "asked.jsonl").write_text("".join(json.dumps({"instruction": each}) + "\n" for each in asked))
    said = ("It is so.", "It is so because we know it.", "Hm, no idea.")
    rows = [
        {"dataset": "own", "instruction": each, "output": said[n % 3], "generator": "steady"}
        for n, each in enumerate(held_out)
    ]
    (folder / "reference.json").write_text(json.dumps(rows))
    write_gamed(folder / "gamed.csv")


def open_project(folder: Path, server: JudgeServer) -> Project:
    project = Project(folder)
    for name in (".venv", ".venv-gpu", ".venv-eval"):
        (folder / name).symlink_to(ROOT / name)
    own = yaml.safe_load((ROOT / "tests/workflow/open.yaml").read_text())
    own["teachers"]["served"]["server"]["base_url"] = server.url
    (folder / "open.yaml").write_text(yaml.safe_dump(own))
    judge = (ROOT / "config/annotators/own_judge.yaml").read_text().replace("own_judge:", "fair_judge:")
    (folder / "own_judge.yaml").write_text(judge)
    rows = [f"asked\tserved\tsmall\t{variant}\t0\n" for variant in ("teacher", "icl", "sft", "wo_r", "ours")]
    (folder / "open.tsv").write_text("dataset\tteacher\tstudent\tvariant\tseed\n" + "".join(rows))
    write_questions(folder)
    return project


@pytest.fixture(scope="module")
def server():
    with JudgeServer(silent=0.1) as running:
        yield running


@pytest.fixture(scope="module")
def study(server, tmp_path_factory) -> Project:
    project = open_project(tmp_path_factory.mktemp("open"), server)
    run = ask(project, server, REPORT)
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    return project


def ask(project: Project, server: JudgeServer, *arguments: str):
    """Run Snakemake with the keys and the address of the server in the environment."""
    own = {"TEACHER_KEY": "teacher-key", "OPENAI_API_KEY": "judge-key", "OPENAI_API_BASE": server.url}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in own.items():
            environment.setenv(name, value)
        environment.setenv("OMP_NUM_THREADS", "1")
        return project.snakemake(*arguments, *CONFIG)
