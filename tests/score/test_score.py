import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.tables import GOLDS, GROWTH, QUERIES, REWARDS, SCORES, read, write
from scripts.lib.errors import UserError
from scripts.queries import queries
from scripts.score import score
from tests.support.samples import samples

SHARED = os.environ.get("REDISTILL_SHARED_DATA", "")
real = pytest.mark.skipif(not SHARED, reason="real data: REDISTILL_SHARED_DATA is not set")


@pytest.fixture
def run(tmp_path):
    def run(rows, golds, task="numeric", groups=None, **taken):
        table = pl.DataFrame({"query_id": list(golds), "answer": list(golds.values())})
        write(table, tmp_path / "golds.parquet", GOLDS)
        questions = table.select("query_id", pl.lit("?").alias("question")).with_columns(
            pl.lit([], dtype=pl.List(pl.String)).alias("options"),
            pl.Series("group", [(groups or {}).get(name, "") for name in golds], dtype=pl.String),
            pl.lit(None).alias("shots"),
        )
        write(questions, tmp_path / "queries.parquet", QUERIES)
        files = {name: tmp_path / f"{name}.parquet" for name in ("queries", "golds")}
        outputs = {"output": tmp_path / "scores.parquet", "metrics": tmp_path / "metrics.json"}
        score.main(samples(tmp_path / "samples.parquet", rows), **files, task=task, **outputs, **taken)
        return read(outputs["output"], SCORES), json.loads(outputs["metrics"].read_text())

    return run


def test_accuracy_and_its_doubt(run):
    rows = [
        ("a", "The answer is 18."),
        ("b", "The answer is 5."),
        ("c", "I do not"),
        ("d", "The answer", 0.0, "length"),
    ]
    scores, metrics = run(rows, {"a": "18.00", "b": "6", "c": "1", "d": "1"})
    assert scores["correct"].to_list() == [True, False, False, False]
    assert scores["status"].to_list()[0] == "ok"
    assert metrics["accuracy"]["value"] == 0.25 and metrics["accuracy"]["n"] == 4
    assert metrics["accuracy"]["low"] == pytest.approx(0.0456, abs=1e-4)
    assert metrics["unparsed_rate"]["value"] == 0.5
    assert metrics["truncated_rate"]["value"] == 0.25


def test_several_samples_of_a_question_are_averaged(run):
    rows = [("a", "The answer is 1."), ("a", "The answer is 2."), ("b", "The answer is 1.")]
    _, metrics = run(rows, {"a": "1", "b": "1"})
    assert metrics["accuracy"]["value"] == 0.75 and metrics["accuracy"]["n"] == 2


def test_one_of_several_samples_is_taken_and_their_number_counts(run, tmp_path):
    rows = [("a", f"The answer is {answer}.") for answer in "112"] + [("b", "The answer is 1.")] * 3
    with pytest.raises(UserError, match="--taken needs --growth"):
        run(rows, {"a": "2", "b": "1"}, taken="majority")
    growth = {"growth": tmp_path / "growth.parquet"}
    scores, metrics = run(rows, {"a": "2", "b": "1"}, taken="majority", **growth)
    assert scores.select("query_id", "sample_id", "answer").rows() == [("a", 0, "1"), ("b", 0, "1")]
    assert metrics["accuracy"]["value"] == 0.5
    table = read(growth["growth"], GROWTH).filter(pl.col("query_id") == "a")
    found = {(rule, n): value for _, n, rule, value in table.rows()}
    assert [found["mean", 3], found["oracle", 1], found["oracle", 3]] == pytest.approx([1 / 3, 1 / 3, 1])
    worth = pl.DataFrame({"query_id": ["a"] * 3 + ["b"] * 3, "sample_id": [0, 1, 2] * 2, "reward": range(6)})
    write(worth, tmp_path / "rewards.parquet", REWARDS)
    best = {"taken": "best_of_n", "rewards": tmp_path / "rewards.parquet"} | growth
    assert run(rows, {"a": "2", "b": "1"}, **best)[1]["accuracy"]["value"] == 1


def test_gsm_plus_rounds_and_abstains(run):
    rows = [
        ("a", "The answer is 4.3333."),
        ("b", "The answer is 4.4."),
        ("c", "It cannot be determined."),
        ("d", "The answer is 3."),
        ("e", "The answer is 5."),
    ]
    scores, metrics = run(
        rows,
        {"a": "4.33", "b": "4.33", "c": "None", "d": "None", "e": "5"},
        "gsm_plus",
        {"c": "critical thinking", "d": "critical thinking"},
    )
    assert scores["correct"].to_list() == [True, False, True, False, True]
    assert metrics["accuracy"]["value"] == 0.6
    assert metrics["accuracy_without_critical_thinking"]["value"] == pytest.approx(2 / 3)
    assert metrics["accuracy_without_critical_thinking"]["n"] == 3


def test_every_gold_needs_a_completion(run):
    with pytest.raises(UserError, match="1 of 2 questions have no completion in .*the first is 'b'"):
        run([("a", "The answer is 1.")], {"a": "1", "b": "1"})


def test_completions_without_a_gold_do_not_count(run):
    _, metrics = run([("a", "The answer is 1."), ("z", "The answer is 1.")], {"a": "1"})
    assert metrics["accuracy"]["n"] == 1


@real
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("zeroeval_Meta-Llama-3-8B-Instruct", 78.47),
        ("gsmplusrepo_metamath_7b", 66.72),
        ("evalgsm8k_few_Llama-2-7b-hf", 13.72),
    ],
)
def test_real_responses(tmp_path, name, published):
    """ZeroEval's, GSM-Plus' and the evaluator's own published accuracies, within 0.3 points."""
    with gzip.open(Path(SHARED, f"outputs/gsm8k/{name}.jsonl.gz"), "rt") as stream:
        responses = [json.loads(line) for line in stream]
    questions = [
        json.loads(line) for line in Path(SHARED, "gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = [questions[row["qid"]] | {"id": f"{row['qid']:04d}"} for row in responses]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = {name: tmp_path / f"{name}.parquet" for name in ("queries", "golds")}
    queries.main(tmp_path / "test.jsonl", "numeric", **files)
    texts = samples(tmp_path / "s.parquet", [(f"{row['qid']:04d}", row["responses"][0]) for row in responses])
    score.main(texts, **files, task="numeric", output=tmp_path / "o.parquet", metrics=tmp_path / "m.json")
    accuracy = json.loads((tmp_path / "m.json").read_text())["accuracy"]
    assert accuracy["n"] == 1319
    assert 100 * accuracy["value"] == pytest.approx(published, abs=0.3)
