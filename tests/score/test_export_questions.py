"""A benchmark's questions for tools that ask a model themselves."""

import json

import polars as pl
import pytest

from scripts.lib.data.tables import GOLDS, QUERIES, write
from scripts.lib.errors import UserError
from scripts.score.export_questions import main


@pytest.fixture
def queries(tmp_path):
    """Two questions, the second with choices."""
    table = pl.DataFrame(
        {
            "query_id": ["a", "b"],
            "question": ["1?", "2?"],
            "group": [""] * 2,
            "shots": None,
            "options": [[], ["1", "2"]],
        },
        schema_overrides={"options": pl.List(pl.String)},
    )
    write(table, tmp_path / "q.parquet", QUERIES)
    return tmp_path / "q.parquet"


def golds(tmp_path, answers: dict[str, str]):
    """A GOLDS file of these answers."""
    table = pl.DataFrame({"query_id": list(answers), "answer": list(answers.values())}, schema=GOLDS)
    write(table, tmp_path / "g.parquet", GOLDS)
    return tmp_path / "g.parquet"


def test_one_object_per_question_with_its_answer(tmp_path, queries):
    main(queries, golds(tmp_path, {"a": "1", "b": "B"}), tmp_path / "out.jsonl")
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").open()] == [
        {"query_id": "a", "question": "1?", "answer": "1"},
        {"query_id": "b", "question": "2?", "options": ["1", "2"], "answer": "B"},
    ]


def test_questions_without_answers_are_an_error(tmp_path, queries):
    with pytest.raises(UserError, match="has no answers to questions of"):
        main(queries, golds(tmp_path, {}), tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
