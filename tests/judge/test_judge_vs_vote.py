"""Table 5: class-wise precision of judge and vote, on the same samples."""

import polars as pl
import pytest

from scripts.judge.judge_vs_vote import compare
from scripts.lib.errors import UserError
from scripts.lib.evaluation.intervals import wilson


def grades(scores):
    rows = [("q", n, "x", "ok", score) for n, score in enumerate(scores)]
    schema = {
        "query_id": pl.String,
        "sample_id": pl.Int32,
        "answer": pl.String,
        "status": pl.String,
        "score": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


ANSWERS = pl.DataFrame(
    {"query_id": ["q"] * 6, "sample_id": range(6), "answer": ["1", "1", "1", "2", "2", None]},
    schema_overrides={"sample_id": pl.Int32},
)
GOLDS = pl.DataFrame({"query_id": ["q"], "gold": ["1"]})


def test_precision_by_class_with_counts():
    judged = grades([5, 5, 3, 5, 0, None])
    voted = grades([1, 1, 1, 0, 0, 0])
    table = compare(judged, voted, ANSWERS, GOLDS, best_score=5)
    assert table["samples"] == 5 and table["left_out"] == {"without_label": 0, "unscored": 1}
    assert (table["judge"]["true"]["value"], table["judge"]["true"]["n"]) == (pytest.approx(2 / 3), 3)
    assert (table["judge"]["false"]["value"], table["judge"]["false"]["n"]) == (0.5, 2)
    assert table["vote"]["true"]["value"] == table["vote"]["false"]["value"] == 1


def test_the_interval_is_over_queries():
    """Four queries of three samples: four that agree are no twelve."""
    queries = [f"q{at}" for at in range(4)]
    said = pl.concat(grades([5, 5, 5]).with_columns(query_id=pl.lit(name)) for name in queries)
    answers = said.select("query_id", "sample_id", answer=pl.lit("1"))
    golds = pl.DataFrame({"query_id": queries, "gold": ["1"] * 4})
    found = compare(said, said.with_columns(score=pl.lit(1.0)), answers, golds, best_score=5)["judge"]["true"]
    assert found == wilson(4, 4)._replace(n=12)._asdict()


def test_samples_without_a_label_are_left_out_of_both():
    table = compare(grades([5] * 6), grades([1, 1, 1]), ANSWERS, GOLDS, best_score=5)
    assert table["samples"] == 3 and table["left_out"]["without_label"] == 3
    assert table["judge"]["false"]["n"] == 0


def test_nothing_in_common_is_an_error():
    with pytest.raises(UserError, match="needs all three"):
        compare(grades([None] * 6), grades([1] * 6), ANSWERS, GOLDS, best_score=5)
