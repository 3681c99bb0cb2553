"""A config is data: nothing of what is written into it is run, and a step gets it as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

pytest.importorskip("snakemake")

from scripts.lib.config.check import parse
from scripts.lib.config.whole import Config
from scripts.lib.errors import UserError
from tests.workflow import hostile
from tests.workflow.project import Project

COMMANDS = """
import json, sys, types
from snakemake.cli import main
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from scripts.commands.plan import Planner
LoggerPluginRegistry().register_plugin("plan", types.SimpleNamespace(LogHandler=Planner))
try:
    main(["--dry-run", "--forceall", "--logger", "plan", *sys.argv[1:]])
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps([job["shellcmd"] for job in Planner.jobs if job.get("shellcmd")]))
"""
"""Prints the commands of a plan, as they would be run."""
REACHED = [
    ("store",),
    ("state",),
    *(("downloads", "split.parquet", key) for key in ("name", "split", "columns")),
    ("downloads", "file.csv", "file"),
    *(("datasets", "asked", f"{key}_column") for key in ("question", "answer", "options", "id", "group")),
    *(("datasets", "asked", key) for key in ("queries", "stop")),
    *(("datasets", "asked", "shots", key) for key in ("file", "group_column", "answer_column")),
    *(("benchmarks", "open", key) for key in ("queries", "gamed", "annotator", "stop", "answer_column")),
    *((kind, "hub", "model") for kind in ("teachers", "students")),
    ("teachers", "served", "model"),
    *((kind, "stored", "samples", 0, key) for kind in ("teachers", "students")
      for key in ("path", "model", "id_column", "completion_column")),
]  # fmt: skip
"""Texts that reach a command of the plan, each as one word."""


def test_the_config_of_these_tests_has_every_block() -> None:
    config = parse(hostile.every())
    assert hostile.classes(Config) == {type(block) for block, _ in hostile.blocks(config, ())}


def written_everywhere(raw: dict) -> tuple[dict, dict[tuple, str]]:
    """A config with texts of `TEXTS` in every place that takes one, and which one where; elsewhere they are
    refused in one line."""
    taken = {}
    for number, (path, hint) in enumerate(hostile.texts(parse(raw))):
        text = f"{hostile.TEXTS[number % len(hostile.TEXTS)]} {number}"
        text += ".yaml" if path[-1] == "annotator" else ""
        for given in (text, f"x $(touch PWNED) {number}"):  # a dash is refused where a file is named
            changed = hostile.put(raw, path, hint, given)
            try:
                parse(changed)
            except UserError as refused:
                assert str(refused).isprintable() and len(str(refused)) < 1000, path
            else:
                raw, taken[path] = changed, given
                break
    return raw, taken


@pytest.mark.parametrize("kind", ["models", "downloads", "datasets", "teachers", "students", "rewards",
                                  "variants", "benchmarks", "studies"])  # fmt: skip
def test_names_are_letters_digits_and_three_marks(kind: str) -> None:
    raw = hostile.every()
    block = next(iter(raw[kind].values()))
    for name in ("a.b", "llama3-8b", "w_o", "étude", "1", "abcdefghij" * 10):
        parse(raw | {kind: raw[kind] | {name: block}})
    for name in (
        *hostile.TEXTS,
        *hostile.NO_TEXTS,
        "",
        "a b",
        ".a",
        "..",
        "-a",
        "a/b",
        "a{b}",
        "x" * 101,
        "ab" * 20,
    ):
        with pytest.raises(UserError, match=kind) as refused:
            parse(raw | {kind: raw[kind] | {name: block}})
        assert str(refused.value).isprintable() and len(str(refused.value)) < 400


@pytest.mark.parametrize("text", hostile.NO_TEXTS)
def test_a_text_that_no_command_line_takes_is_refused(text: str) -> None:
    raw = hostile.every()
    raw["benchmarks"]["open"]["note"] = text
    with pytest.raises(UserError, match=r"config: benchmarks\.open\.note: .* a control character") as refused:
        parse(raw)
    assert str(refused.value).isprintable()


@pytest.mark.slow
def test_whatever_a_config_says_the_commands_of_its_plan_run_nothing_of_it(tmp_path) -> None:
    Project(tmp_path)
    raw, taken = written_everywhere(hostile.every())
    for path, text in taken.items():
        if path[-1] == "model" and path[1] == "hub":
            (tmp_path / text).mkdir(exist_ok=True)
            (tmp_path / text / "model.safetensors").touch()
        elif path[-1] in {"path", "queries", "file", "table", "gamed", "annotator"} and (
            path[0] != "downloads"
        ):
            (tmp_path / text).write_text(hostile.table() if path[-1] == "table" else hostile.ROW)
    (tmp_path / "h.yaml").write_text(yaml.safe_dump(raw))
    targets = ["results/reports/every/report.html", "data/file.csv", "data/split.parquet"]
    plan = subprocess.run(
        [sys.executable, "-c", COMMANDS, "--profile", "profiles/local", *targets, "--configfile", "h.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert plan.returncode == 0, plan.stderr
    commands = json.loads(plan.stdout.splitlines()[-1])
    words = obeyed("\n".join(commands), tmp_path)
    assert not (tmp_path / "PWNED").exists()
    told = words | {word.partition("=")[2] for word in words}
    assert {path for path in REACHED if taken[path] not in told} == set()


def obeyed(commands: str, folder: Path) -> set[str]:
    """The words that a shell makes of commands, none of which is a program: each is printed instead."""
    said = re.sub(r"&>>?\S+", "", commands).replace(sys.executable, r"printf '%s\0'")
    shell = subprocess.run(["bash", "-c", said], cwd=folder, capture_output=True, text=True, check=False)
    return set(shell.stdout.split("\0"))


@pytest.mark.slow
def test_a_run_takes_blanks_and_runs_nothing(tmp_path) -> None:
    project = Project(tmp_path)
    column = "Question `touch PWNED` $(touch PWNED)"
    rows = [{column: f"What is {i} + {i}?", "row id": str(i), "answer": str(2 * i)} for i in range(9)]
    said = [{"row id": str(i), "model's words": [f"The answer is {2 * i}."] * 3} for i in range(9)]
    for name, lines in (("my questions.jsonl", rows), ("said; touch PWNED.jsonl", said)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples = {"path": "said; touch PWNED.jsonl", "model": "GPT 4o; touch PWNED", "temperature": 0.5}
    columns = {"id_column": "row id", "completion_column": "model's words"}
    asked = {"queries": "my questions.jsonl", "question_column": column, "id_column": "row id"}
    own = {
        "store": "my store",
        "datasets": {"asked": asked | {"task": "numeric", "prompt": "question"}},
        "teachers": {"stored": {"samples": [samples | columns], "vote": {"m": 3}}},
    }
    (tmp_path / "my config.yaml").write_text(yaml.safe_dump(own))
    target = "results/labels/dataset=asked/teacher=stored/seed=0/labelled.parquet"
    run = project.snakemake(target, "--configfile", "config/world.yaml", "my config.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert not (tmp_path / "PWNED").exists()
    assert len(pl.read_parquet(tmp_path / target)) == 8  # one question is validation's
    assert any((tmp_path / "my store").rglob("*.parquet"))
