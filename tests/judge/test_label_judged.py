"""A judged query has a label when the teacher has an answer of the best score to it."""

import polars as pl

from scripts.judge.label_judged import label, main
from scripts.lib.data.tables import IDS, LABELS, QUERIES, read, write
from scripts.lib.tasks.open import VALID
from tests.support.samples import grades


def queries(path, names):
    """A QUERIES file of these ids."""
    table = pl.DataFrame({"query_id": names, "question": names, "group": [""] * len(names), "shots": None})
    write(table.with_columns(options=pl.lit([], dtype=pl.List(pl.String))), path, QUERIES)
    return path


def test_the_best_score_gives_a_label_and_anything_less_a_reason(tmp_path):
    scored = [("a", 5.0), ("a", 3.0), ("b", 4.5), ("c", None)]
    asked = queries(tmp_path / "q.parquet", ["a", "b", "c", "d"])
    main(grades(tmp_path / "g.parquet", scored), asked, tmp_path / "l.parquet", tmp_path / "ids.parquet")
    table = read(tmp_path / "l.parquet", LABELS)
    assert table.select("query_id", "label", "votes", "m", "reason").rows() == [
        ("a", VALID, 1, 2, "ok"),
        ("b", None, 0, 1, "below_threshold"),
        ("c", None, 0, 0, "no_answer"),
        ("d", None, 0, 0, "no_answer"),
    ]
    assert read(tmp_path / "ids.parquet", IDS)["query_id"].to_list() == ["a"]


def test_a_share_is_of_the_samples_that_have_a_score(tmp_path):
    table = pl.DataFrame({"query_id": ["a"] * 3, "score": [5.0, 1.0, None]})
    asked = pl.DataFrame({"query_id": ["a"]})
    assert label(table, asked, 5.0)["share"].to_list() == [0.5]
