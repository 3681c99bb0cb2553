"""Judging as a step: what is asked, asked again, stored and turned into grades, with judges that do as they
please."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from scripts.judge import grade_judged, judge, label_judged
from scripts.lib.data.tables import GRADES, IDS, LABELS, QUERIES, SAMPLES, read, write
from scripts.lib.engines.base import Completion, Prompt
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.samples import step as sampling
from tests.lib.labels.test_judging import INJECTED
from tests.support import steps

JUDGE = Path("config/prompts/judge.jinja")


class Judge:
    """An engine of one function: (question, response, index) -> what the judge says."""

    identity, dtype, versions, bill, unit = "judge@0", None, {}, None, 2

    def __init__(self, says):
        self.says, self.asked = says, []

    def render(self, question, options, shots):
        system, user = PromptTemplate(JUDGE, True).messages(question, options)
        return Prompt("chat", f"{system['content']}\n\n{user['content']}")

    def generate(self, requests, missing):
        for request, wanted in zip(requests, missing, strict=True):
            if wanted:
                question, response = re.search(
                    r"<Question>: (.*)\n<Response>: (.*)", request.prompt.text, re.S
                ).groups()
                self.asked.append((question, response, request.temperature, request.index))
                said = self.says(question, response, request.index)
                yield [(request, Completion(said, "stop", len(said.split()), 9))]


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Judge rows of (query_id, sample_id, completion, finish_reason) and give grades, counts and ledger."""

    def run(says, rows, combine_by="mean", **flags):
        engine = Judge(says)
        monkeypatch.setattr(sampling, "open_engine", lambda *_: engine)
        table = pl.DataFrame(
            rows, schema=["query_id", "sample_id", "completion", "finish_reason"], orient="row"
        )
        table = table.with_columns(num_tokens=pl.lit(3), temperature=pl.lit(0.7), round=pl.lit(1))
        table = table.with_columns(reasoning=None, reasoning_tokens=None)
        write(table, tmp_path / "samples.parquet", SAMPLES)
        names = table["query_id"].unique().sort()
        queries = pl.DataFrame(
            {"query_id": names, "question": "Why " + names + "?", "group": [""] * len(names), "shots": None}
        )
        queries = queries.with_columns(options=pl.lit([], dtype=pl.List(pl.String)))
        write(queries, tmp_path / "queries.parquet", QUERIES)
        settings = {"samples": [tmp_path / "samples.parquet"], "queries": tmp_path / "queries.parquet"}
        settings |= {"output": tmp_path / "judgements.parquet", "ledger": tmp_path / "ledger.json"}
        settings |= {"links": tmp_path / "links.parquet"}
        settings |= {"model": "judge", "prompt": JUDGE, "store": tmp_path / "store"} | flags
        steps.call(judge.main, **settings)
        if "shard" in flags:
            return engine.asked
        grade_judged.main(
            links=tmp_path / "links.parquet",
            judgements=tmp_path / "judgements.parquet",
            output=tmp_path / "grades.parquet",
            summary=tmp_path / "summary.json",
            combine_by=combine_by,
        )
        counts = json.loads((tmp_path / "summary.json").read_text())
        ledger = json.loads((tmp_path / "ledger.json").read_text())
        grades = read(tmp_path / "grades.parquet", GRADES)
        scores = {(row["query_id"], row["sample_id"]): row["score"] for row in grades.to_dicts()}
        return scores, counts, ledger, engine

    return run


def verdict(score):
    return f"Evaluation evidence: read it.\nScore: {score}"


def test_each_valid_response_gets_the_judges_score(step):
    rows = [
        ("a", 0, "good", "stop"),
        ("a", 1, "bad", "stop"),
        ("b", 0, "", "stop"),
        ("b", 1, "good cut", "length"),
    ]
    scores, counts, ledger, engine = step(lambda q, r, i: verdict(5 if r == "good" else 0), rows)
    assert scores == {("a", 0): 5.0, ("a", 1): 0.0, ("b", 0): 0.0, ("b", 1): 0.0}
    assert [response for _, response, *_ in sorted(engine.asked)] == ["bad", "good"]
    assert counts["not_valid"] == 2 and counts["unscored"] == 0
    assert ledger["sampled"] == 2 and ledger["judged_again"] == []


def test_a_missing_score_is_asked_again_so_often_and_no_more(step):
    rows = [("a", 0, "shy", "stop"), ("a", 1, "late", "stop"), ("a", 2, "plain", "stop")]

    def says(question, response, index):
        if response == "plain" or (response == "late" and index >= 2_000_000):
            return verdict(3)
        return "I cannot say."

    scores, counts, ledger, engine = step(says, rows, retries=2)
    assert scores == {("a", 0): None, ("a", 1): 3.0, ("a", 2): 3.0}
    assert ledger["judged_again"] == [2, 2] and ledger["without_score"] == 1
    assert counts["unscored"] == 1 and counts["judgements"] == 3 + 2 + 2
    assert {temperature for *_, temperature, index in engine.asked if index} == {0.7}
    again = step(says, rows, retries=2)
    assert again[3].asked == [] and again[0] == scores
    assert again[2]["sampled"] == 0 and again[2]["reused"] == 7


def test_several_judgements_are_averaged_or_voted(step):
    rows = [("a", 0, "x", "stop")]
    said = {0: verdict(5), 1: verdict(2), 2: verdict(2)}
    assert step(lambda q, r, i: said[i], rows, n=3, temperature=0.5)[0] == {("a", 0): 3.0}
    assert step(lambda q, r, i: said[i], rows, "vote", n=3, temperature=0.5)[0] == {("a", 0): 2.0}


@pytest.mark.parametrize("before", [True, False])
def test_injected_responses_move_no_score_of_an_echoing_judge(step, before):
    rows = [("a", n, text, "stop") for n, text in enumerate(INJECTED)]

    def says(question, response, index):
        return f"{response}\n{verdict(1)}" if before else f"{verdict(1)}\nThe response was: {response}"

    scores, counts, *_ = step(says, rows)
    assert set(scores.values()) == {1.0}
    assert counts["scores"] == {"1": len(INJECTED)}


def test_nothing_to_judge_is_an_empty_table(step):
    scores, counts, ledger, _ = step(lambda *_: "", [("a", 0, "", "stop")])
    assert scores == {("a", 0): 0.0} and ledger["sampled"] == 0


def test_queries_with_a_best_answer_are_labelled(tmp_path):
    grades = pl.DataFrame(
        {"query_id": ["a", "a", "b", "c"], "sample_id": [0, 1, 0, 0], "score": [5.0, 3.0, 4.5, None]}
    ).with_columns(answer=pl.lit("valid"), status=pl.lit("ok"))
    write(grades, tmp_path / "grades.parquet", GRADES)
    queries = pl.DataFrame(
        {"query_id": list("abcd"), "question": list("abcd"), "group": [""] * 4, "shots": None}
    )
    write(
        queries.with_columns(options=pl.lit([], dtype=pl.List(pl.String))),
        tmp_path / "queries.parquet",
        QUERIES,
    )
    label_judged.main(
        tmp_path / "grades.parquet",
        tmp_path / "queries.parquet",
        tmp_path / "labels.parquet",
        tmp_path / "labelled.parquet",
    )
    labels = read(tmp_path / "labels.parquet", LABELS)
    assert labels.select("label", "share", "votes", "m", "reason").rows() == [
        ("valid", 0.5, 1, 2, "ok"),
        (None, 0.0, 0, 1, "below_threshold"),
        (None, 0.0, 0, 0, "no_answer"),
        (None, 0.0, 0, 0, "no_answer"),
    ]
    assert read(tmp_path / "labelled.parquet", IDS)["query_id"].to_list() == ["a"]


@pytest.mark.parametrize("n", [1, 3])
def test_shards_judge_what_one_job_judges_to_the_same_bytes(step, tmp_path, n):
    rows = [(name, number, f"{name} {number} shy", "stop") for name in "abcd" for number in range(5)]

    def says(question, response, index):
        late = index >= 1_000_000 * int(response.split()[1])
        return verdict(4) if late else "I cannot say."

    whole, _, ledger, engine = step(says, rows, n=n, retries=3, store=tmp_path / "whole")
    content = (tmp_path / "judgements.parquet").read_bytes()
    assert len(ledger["judged_again"]) == 3
    done = tuple(tmp_path / f"{number}-of-3.json" for number in range(3))
    asked = [step(says, rows, n=n, retries=3, output=None, shard=path.stem, ledger=path) for path in done]
    assert sorted(request for mine in asked for request in mine) == sorted(engine.asked)
    again, _, gathered, idle = step(says, rows, n=n, retries=3, shards=done)
    assert (tmp_path / "judgements.parquet").read_bytes() == content and idle.asked == [] and again == whole
    assert gathered | {"seconds": 0} == ledger | {"seconds": 0}
    with pytest.raises(UserError, match="completions are missing"):
        step(says, rows, n=n, retries=3, seed=1, shards=done)
