"""The judge's scores as grades: several become one, and what has none stays without."""

import json

import polars as pl
import pytest

from scripts.judge.grade_judged import main
from scripts.lib.data.tables import GRADES, REQUESTS, SAMPLES, read, write


@pytest.fixture
def judged(tmp_path):
    """Three judgements of one response, one unreadable of another; a third was not valid and never judged."""
    said = [("r1", "Score: 5"), ("r1", "Score: 4"), ("r1", "Score: 5"), ("r2", "Who can tell?")]
    table = pl.DataFrame(said, schema=["query_id", "completion"], orient="row")
    counted = pl.int_range(pl.len()).over("query_id").alias("sample_id")
    rest = {"finish_reason": "stop", "num_tokens": 2, "temperature": 0.7, "round": 1}
    rest |= {"reasoning": None, "reasoning_tokens": None}
    write(table.with_columns(counted, **{key: pl.lit(value) for key, value in rest.items()}),
          tmp_path / "judgements.parquet", SAMPLES)  # fmt: skip
    links = [("q", 0, "ok", "r1"), ("q", 1, "ok", "r2"), ("q", 2, "none", None)]
    write(pl.DataFrame(links, schema=list(REQUESTS), orient="row"), tmp_path / "links.parquet", REQUESTS)
    return tmp_path


@pytest.mark.parametrize(("combine_by", "score"), [("mean", pytest.approx(14 / 3)), ("vote", 5.0)])
def test_several_scores_become_one_and_missing_ones_stay_missing(judged, combine_by, score):
    main(
        judged / "links.parquet",
        judged / "judgements.parquet",
        judged / "grades.parquet",
        judged / "summary.json",
        combine_by,
    )
    table = read(judged / "grades.parquet", GRADES).sort("sample_id")
    assert table["score"].to_list() == [score, None, 0.0]
    counts = json.loads((judged / "summary.json").read_text())
    assert counts["samples"] == 3 and counts["unscored"] == 1 and counts["judgements"] == 4
