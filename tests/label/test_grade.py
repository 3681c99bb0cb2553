import polars as pl

from scripts.label import grade, label
from scripts.lib.data.tables import GRADES, read
from scripts.lib.labels.settings import Vote
from tests.support.samples import answers, stated


def test_only_labelled_queries_are_graded(tmp_path):
    rows = [(query, text) for query, votes in (("a", "999-"), ("b", "9988")) for text in stated(votes)]
    teacher = answers(tmp_path / "t.parquet", rows)
    label.main([teacher], tmp_path / "labels.parquet", Vote(m=4))
    more = answers(tmp_path / "s.parquet", [("a", "The answer is 8."), ("c", "The answer is 9.")], start=4)
    grade.main([teacher, more], tmp_path / "labels.parquet", tmp_path / "grades.parquet")
    table = read(tmp_path / "grades.parquet", GRADES)
    assert table.select("query_id", "sample_id", "answer", "score").rows() == [
        ("a", 0, "9", 1.0),
        ("a", 1, "9", 1.0),
        ("a", 2, "9", 1.0),
        ("a", 3, None, 0.0),
        ("a", 4, "8", 0.0),
    ]


def test_a_query_without_a_label_has_no_wrong_samples() -> None:
    said = {"query_id": ["a", "b"], "sample_id": [0, 0], "answer": ["9", None], "status": ["ok", "none"]}
    labels = pl.DataFrame({"query_id": ["a", "b"], "label": ["9", None]})
    assert grade.grade(pl.DataFrame(said), labels).rows() == [("a", 0, "9", "ok", 1.0)]


def test_a_refused_sample_is_neither_right_nor_wrong() -> None:
    said = {
        "query_id": ["a", "a"],
        "sample_id": [0, 1],
        "answer": [None, None],
        "status": ["refused", "none"],
    }
    labels = pl.DataFrame({"query_id": ["a"], "label": ["9"]})
    table = pl.DataFrame(said, schema_overrides={"answer": pl.String})
    assert grade.grade(table, labels)["score"].to_list() == [None, 0.0]
