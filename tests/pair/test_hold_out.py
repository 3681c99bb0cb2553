"""One set of held-out pairs for all rewards after a warm-up: Eq. 5's, under the method's caps."""

import polars as pl
import pytest

from scripts.lib.data.tables import PAIRS, read
from scripts.pair.hold_out import main
from tests.support.samples import answers, grades
from tests.support.steps import call

QUERIES = [f"q{number}" for number in range(60)]


@pytest.fixture
def hold_out(tmp_path):
    """Run the step where a query has 5 right teacher answers and a wrong one, 3 of each of the student."""

    def run(queries=QUERIES, student=(1, 1, 1, 0, 0, 0), **options):
        sides = {"teacher": (1, 1, 1, 1, 1, 0), "student": student}
        files = {}
        for name, scores in sides.items():
            rows = [(query, score) for query in queries for score in scores]
            texts = [(query, f"{name} {i}") for i, (query, _) in enumerate(rows)]
            files[f"{name}_grades"] = grades(tmp_path / f"{name}_grades.parquet", rows)
            files[f"{name}_answers"] = [answers(tmp_path / f"{name}.parquet", texts)]
        call(main, **files, output=tmp_path / "held_out.parquet", **options)
        return read(tmp_path / "held_out.parquet", PAIRS)

    return run


def test_both_kinds_of_a_share_of_the_queries_under_the_methods_caps(hold_out):
    pairs = hold_out(test_fraction=0.3)
    counts = pairs.group_by("query_id").agg(
        (pl.col("kind") == "teacher_student").sum().alias("teacher"),
        (pl.col("kind") == "student_student").sum().alias("student"),
    )
    assert set(counts["teacher"]) == {4} and set(counts["student"]) == {6} and 9 <= counts.height <= 27
    assert set(pairs["split"]) == {"test"}
    over = pairs.filter(pl.col("kind") == "student_student")
    assert set(over["chosen_score"]) == {1.0} and set(over["rejected_score"]) == {0.0}
    assert set(pairs.filter(pl.col("kind") == "teacher_student")["chosen_source"]) == {"teacher"}
    # A hash decides: not the first, and the same whatever the others.
    assert not set(counts["query_id"]) <= set(QUERIES[:30])
    half = hold_out(QUERIES[:30], test_fraction=0.3)
    assert half.equals(pairs.join(pl.DataFrame({"query_id": QUERIES[:30]}), on="query_id", how="semi"))
    assert set(hold_out(test_fraction=0.3, seed=1)["query_id"]) != set(counts["query_id"])
    assert 1 <= hold_out()["query_id"].n_unique() <= 13


def test_without_pairs_there_is_nothing_to_hold_out(hold_out):
    assert hold_out(student=(1, 1)).is_empty()
