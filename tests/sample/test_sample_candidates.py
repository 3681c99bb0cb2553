"""Candidates answer the same questions, each under its number."""

import json
import multiprocessing
from types import SimpleNamespace

import polars as pl
import pytest

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.errors import UserError
from scripts.lib.samples import step
from scripts.sample.sample_candidates import main
from tests.sample.test_sample import Fake
from tests.support.steps import call


class Inline:
    """A process that runs where it is started, and ends as it is told."""

    exitcode = 0

    def __init__(self, target, args):
        self.target, self.args = target, args

    def start(self):
        self.target(*self.args)

    def join(self):
        pass


@pytest.fixture
def here(tmp_path, monkeypatch):
    table = {"query_id": ["q1", "q2"], "question": ["one", "three"], "options": [[]] * 2, "group": [""] * 2}
    table["shots"] = [[]] * 2
    write(pl.DataFrame(table, schema=QUERIES), tmp_path / "queries.parquet", QUERIES)
    (tmp_path / "prompt.jinja").write_text("{{ question }}")
    for number in (0, 12, 4):
        (tmp_path / f"candidates/candidate={number}").mkdir(parents=True)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Process=Inline))
    return tmp_path


def run(here, monkeypatch) -> list[Fake]:
    engines = []

    def opened(model, *_):
        engines.append(Fake(identity=model.rpartition("=")[2]))
        return engines[-1]

    monkeypatch.setattr(step, "open_engine", opened)
    call(
        main,
        candidates=here / "candidates",
        queries=here / "queries.parquet",
        prompt=here / "prompt.jinja",
        engine="transformers",
        output=here / "out/samples.parquet",
        ledger=here / "out/ledger.json",
        store=here / "store",
    )
    return engines


def test_every_candidate_answers_every_question_greedily_under_its_number(here, monkeypatch) -> None:
    engines = run(here, monkeypatch)
    samples = read(here / "out/samples.parquet", SAMPLES)
    assert samples.select("query_id", "sample_id").rows() == [
        (query, number) for query in ("q1", "q2") for number in (0, 4, 12)
    ]
    assert set(samples["temperature"]) == {0.0}
    assert [sorted(engine.asked) for engine in engines] == [[("one", 0.0, 0), ("three", 0.0, 0)]] * 3
    ledger = json.loads((here / "out/ledger.json").read_text())
    assert (ledger["requested"], ledger["sampled"], ledger["reused"], ledger["model"]) == (
        6,
        6,
        0,
        "0, 12, 4",
    )
    assert ledger["completion_tokens"] == ledger["total_completion_tokens"] == 6 * 4
    assert sorted(path.name for path in (here / "out").iterdir()) == ["ledger.json", "samples.parquet"]


def test_what_the_store_holds_is_not_asked_again(here, monkeypatch) -> None:
    run(here, monkeypatch)
    assert all(not engine.asked for engine in run(here, monkeypatch))
    ledger = json.loads((here / "out/ledger.json").read_text())
    assert (ledger["sampled"], ledger["reused"]) == (0, 6)


def test_a_candidate_that_fails_ends_the_step(here, monkeypatch) -> None:
    monkeypatch.setattr(Inline, "exitcode", 3)
    with pytest.raises(SystemExit, match="3"):
        run(here, monkeypatch)
    assert not (here / "out/samples.parquet").exists()


def test_no_candidates_are_one_line(here, monkeypatch) -> None:
    for path in (here / "candidates").iterdir():
        path.rmdir()
    with pytest.raises(UserError, match="holds no candidate=<number>"):
        run(here, monkeypatch)
