import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from scripts.label import label
from scripts.lib.data.tables import GOLDS, IDS, LABELS, read, write
from scripts.lib.errors import UserError
from scripts.lib.labels.votes import vote
from scripts.lib.process.alarms import Alarms
from scripts.lib.samples import read as reading
from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import read_answers
from tests.support import steps
from tests.support.samples import answers, stated

SHARED = os.environ.get("REDISTILL_SHARED_DATA", "")
real = pytest.mark.skipif(not SHARED, reason="real data: REDISTILL_SHARED_DATA is not set")


def labels(tmp_path, files, **options):
    steps.call(
        label.main,
        answers=files,
        output=tmp_path / "labels.parquet",
        labelled=tmp_path / "labelled.parquet",
        **options,
    )
    return read(tmp_path / "labels.parquet", LABELS)


def test_labels_and_reasons(tmp_path):
    rows = [(query, text) for query, votes in
            (("a", "9999999-22"), ("b", "999999-222"), ("c", "8888899999"), ("d", "-" * 10))
            for text in stated(votes)]  # fmt: skip
    table = labels(tmp_path, [answers(tmp_path / "s.parquet", rows)])
    assert table.select("query_id", "label", "votes", "reason").rows() == [
        ("a", "9", 7, "ok"),
        ("b", None, 6, "below_threshold"),
        ("c", None, 5, "tie"),
        ("d", None, 0, "no_answer"),
    ]
    assert read(tmp_path / "labelled.parquet", IDS)["query_id"].to_list() == ["a"]


def test_some_queries_at_a_time_give_the_same_labels(tmp_path, monkeypatch):
    """Of two rounds, in two files."""
    rows = [(query, text, 0.4) for query in "abcdef" for text in stated("9" * 6 + "2" * 4)]
    files = [answers(tmp_path / "1.parquet", rows)]
    files.append(answers(tmp_path / "2.parquet", rows[20:50], round=2, start=10))
    whole, seen, count = labels(tmp_path, files), [], label.count_votes
    monkeypatch.setattr(reading, "ROWS", 20)

    def watched(parts, voting):
        return count((seen.append(part.height) or part for part in parts), voting)

    monkeypatch.setattr(label, "count_votes", watched)
    assert labels(tmp_path, files).equals(whole)
    assert sum(seen) == 90 and max(seen) == 20


def test_values_vote_not_strings(tmp_path):
    texts = [f"The answer is {form}." for form in ("18", "$18", "18.00", "18 dollars", "17")]
    table = labels(tmp_path, [answers(tmp_path / "s.parquet", [("q", text) for text in texts])], m=5)
    assert table.rows()[0][:4] == ("q", "18", 0.8, 4)


def test_the_second_round_decides_where_there_is_one(tmp_path):
    first = answers(tmp_path / "1.parquet", [(q, text, 0.4) for q in "ab" for text in stated("9999")])
    second = answers(tmp_path / "2.parquet", [("b", text) for text in stated("8888")], round=2, start=4)
    table = labels(tmp_path, [first, second], m=4)
    assert table["label"].to_list() == ["9", "8"]
    assert labels(tmp_path, [first, second], m=4, voters="all_rounds")["reason"].to_list() == ["ok", "tie"]


def test_an_empty_second_round(tmp_path):
    first = answers(tmp_path / "1.parquet", [("a", text) for text in stated("9999")])
    assert labels(tmp_path, [first, answers(tmp_path / "2.parquet", [], round=2)], m=4)[
        "label"
    ].to_list() == ["9"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"m": 0}, "m is 0"),
        ({"threshold": 1.2}, "threshold is 1.2"),
        ({"m": 11}, "last round is 1 have at most 4 samples to vote .last_round. and m is 11; lower m to 4"),
    ],
)
def test_bad_settings(tmp_path, options, message):
    file = answers(tmp_path / "s.parquet", [("a", text) for text in stated("9999")])
    with pytest.raises(UserError, match=message):
        labels(tmp_path, [file], **options)


def test_a_second_round_too_small_to_vote(tmp_path):
    first = answers(tmp_path / "1.parquet", [(q, text) for q in "ab" for text in stated("9999")])
    second = answers(tmp_path / "2.parquet", [("b", text) for text in stated("88")], round=2, start=4)
    with pytest.raises(UserError, match="last round is 2 have at most 2 samples"):
        labels(tmp_path, [first, second], m=4)


def test_a_file_given_twice_is_refused(tmp_path):
    file = answers(tmp_path / "s.parquet", [("a", text) for text in stated("9999")])
    with pytest.raises(UserError, match="4 samples appear twice .*query 'a', sample_id 0"):
        labels(tmp_path, [file, file], m=4)


def measure(answers, golds, m):
    """Share of questions kept at 0.7 and precision of their labels, in percent, and ties, as evaluators.md
    has them."""
    table = vote(answers, m, 0.7).join(golds, on="query_id")
    kept = table.filter(pl.col("reason") == "ok")
    right = kept.filter(pl.col("label") == pl.col("gold")).height
    ties = table.filter(pl.col("reason") == "tie").height
    return round(100 * kept.height / table.height, 2), round(100 * right / kept.height, 2), ties


def lines(path):
    with gzip.open(path, "rt") as stream:
        return [json.loads(line) for line in stream]


def reference_golds(content):
    names = [str(row["qid"]) for row in content]
    return pl.DataFrame(
        {"query_id": names, "gold": [task_of("numeric").gold(row["gold"]) for row in content]}
    )


@real
def test_votes_of_one_model_match_the_reference():
    """Evaluators.md, mot_llama2-13b_gsm_pot1: 24 programs a question, failed ones count in m.

    The executed values are floats with rounding errors, so they are read at six places.
    """
    content = lines(Path(SHARED, "votes/llama2-13b_gsm8k_400x24.jsonl.gz"))
    answers = pl.DataFrame(
        [
            (str(row["qid"]), None if value is None else task_of("numeric").gold(f"{value:.6f}"))
            for row in content
            for value in row["src_pred"] or [None]
        ],
        schema=["query_id", "answer"],
        orient="row",
    )
    assert measure(answers, reference_golds(content), 24) == (20.5, 75.61, 59)


@real
def test_votes_of_a_panel_are_better_than_its_best_member():
    """Nine models' answers to GSM8K's test (the reference's panels, with 10 and 41 others:
    98.3 and 98.9 % precise)."""
    files = sorted(Path(SHARED, "outputs/gsm8k").glob("*.jsonl.gz"))
    content = {file: lines(file) for file in files}
    golds = reference_golds(content[files[0]])
    ballots, alone = [], []
    for found in content.values():
        texts = pl.Series([row["responses"][0] for row in found])
        read = pl.DataFrame({"query_id": [str(row["qid"]) for row in found]}).with_columns(
            read_answers("numeric", texts, None, None)["answer"]
        )
        ballots.append(read)
        alone.append(
            (read.join(golds, on="query_id").select(pl.col("answer") == pl.col("gold"))).to_series().sum()
        )
    kept, precision, _ = measure(pl.concat(ballots), golds, len(files))
    voted = vote(pl.concat(ballots), len(files), 0.01).join(golds, on="query_id")
    assert voted.filter(pl.col("label") == pl.col("gold")).height > max(alone)
    assert precision > 98 and kept > 25


def test_golds_are_labels_only_where_the_config_says_so(tmp_path):
    file = answers(tmp_path / "s.parquet", [("a", text) for text in stated("9999999999")])
    write(pl.DataFrame({"query_id": ["a"], "answer": ["7"]}), tmp_path / "golds.parquet", GOLDS)
    given = {"golds": tmp_path / "golds.parquet", "task": "numeric"}
    assert labels(tmp_path, [file], **given)["label"].to_list() == ["9"]
    assert labels(tmp_path, [file], by="golds", **given)["label"].to_list() == ["7"]
    with pytest.raises(UserError, match="--by golds needs --golds and --task"):
        labels(tmp_path, [file], by="golds")


def test_too_few_labels_are_told_or_end_the_step_before_it_writes(tmp_path, capsys):
    files = [answers(tmp_path / "s.parquet", [("a", text) for text in stated("8888899999")])]
    assert labels(tmp_path, files)["label"].to_list() == [None]
    assert "alarm: 0 of 1 queries have a label" in capsys.readouterr().out
    (tmp_path / "labels.parquet").unlink()
    with pytest.raises(UserError, match="alarms.labelled"):
        labels(tmp_path, files, alarms=Alarms(action="stop"))
    assert not (tmp_path / "labels.parquet").exists()
