"""The manifest: which finished jobs are a study's, and what they spent."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import read
from scripts.lib.report.places import places
from scripts.lib.workflow.layout import Layout
from scripts.report.manifest import jobs

ROW = {"dataset": "world", "teacher": "tiny", "student": "tiny", "seed": 1}
CHAIN = "dataset=world/teacher=tiny/student=tiny"


@pytest.fixture(scope="module")
def found():
    """Places of the world's study `demo` with these variants, on seed 1."""
    layout = Layout(parse(read(Path("config/world.yaml"))))
    return lambda *variants: places(layout, "demo", [ROW | {"variant": name} for name in variants])


def test_a_study_has_the_places_of_what_its_rows_stand_on(found):
    ours = found("ours")
    assert {
        f"{CHAIN}/{place}/seed=1"
        for place in ("variant=ours", "variant=wo_r", "warmup=wo_r", "reward=ours")
    } <= ours  # fmt: skip
    assert {"dataset=world/seed=1", "dataset=world/teacher=tiny/seed=1", "model=tiny-student/seed=1"} <= ours
    assert f"benchmark=world/{CHAIN}/variant=ours/seed=1" in ours and "study=demo" in ours


def test_what_another_study_made_of_the_same_names_is_not_its_own(found):
    """Not another variant of the same chain, nor the warm student's answers to the benchmark."""
    ours = found("ours")
    assert f"{CHAIN}/variant=sft/seed=1" not in ours and f"{CHAIN}/variant=sft/seed=1" in found("sft")
    assert f"benchmark=world/{CHAIN}/variant=wo_r/seed=1" not in ours
    assert f"{CHAIN}/reward=ours/seed=1" not in found("sft")
    assert not {"study=seeds", "dataset=world/seed=0", f"{CHAIN}/variant=ours/seed=0"} & ours
    assert "benchmark=world/teacher=tiny/seed=1" in found("teacher") - ours


def written(*benchmarks: str) -> None:
    for name in benchmarks:
        path = Path(f"benchmarks/{name}.tsv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\n1.0\n", encoding="utf-8")


def test_jobs_are_found_by_their_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written("label/dataset=world/teacher=tiny/seed=1", "label/dataset=world/teacher=tiny/seed=0")
    written("read_teacher_answers/dataset=world/teacher=tiny/seed=1/round=2", "report/study=other")
    label, read_answers = jobs({"dataset=world/teacher=tiny/seed=1", "study=demo"})
    assert label.benchmark == Path("benchmarks/label/dataset=world/teacher=tiny/seed=1.tsv")
    assert label.log == Path("logs/label/dataset=world/teacher=tiny/seed=1.log")
    assert read_answers.rule == "read_teacher_answers"


def test_what_no_log_tells_of_is_not_guessed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written("label/dataset=world")
    assert [job.spending for job in jobs({"dataset=world"})] == [None]
