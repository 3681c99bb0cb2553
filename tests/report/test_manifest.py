"""The manifest: which finished jobs are a study's, and what they spent."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.report.study import Evaluation, Study
from scripts.report.manifest import jobs


@pytest.fixture
def study():
    """One evaluation of the student `tiny` on seed 0."""
    files = {name: Path(name) for name in ("scores", "metrics", "samples", "ledger")}
    row = Evaluation("world", "tiny", "tiny", "ours", 0, "world", False, **files)
    return Study("demo", "", {}, [row], [], [], [], [])


def test_jobs_of_other_names_are_another_studys(tmp_path, monkeypatch, study):
    monkeypatch.chdir(tmp_path)
    chains = ("dataset=world/seed=0", "dataset=world/seed=1", "dataset=other/seed=0")
    for chain in chains:
        path = Path(f"benchmarks/label/{chain}.tsv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\n1.0\n", encoding="utf-8")
    found = jobs(study)
    assert [(job.rule, job.benchmark) for job in found] == [
        ("label", Path("benchmarks/label/dataset=world/seed=0.tsv"))
    ]
    assert found[0].log == Path("logs/label/dataset=world/seed=0.log")


def test_what_no_log_tells_of_is_not_guessed(tmp_path, monkeypatch, study):
    monkeypatch.chdir(tmp_path)
    Path("benchmarks/label").mkdir(parents=True)
    Path("benchmarks/label/dataset=world.tsv").write_text("s\n1.0\n", encoding="utf-8")
    assert [job.spending for job in jobs(study)] == [None]
