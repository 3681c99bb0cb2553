"""A model's completions in the form of AlpacaEval's leaderboard."""

import polars as pl
import pytest

from scripts.lib.errors import UserError
from scripts.lib.evaluation.alpaca import ROWS
from scripts.score.model_outputs import model_outputs


@pytest.fixture
def reference():
    """The reference's rows, in its order."""
    return [
        {"dataset": "d", "instruction": f"Do {n} ", "output": f"r{n}", "generator": "reference"}
        for n in range(ROWS)
    ]


def test_outputs_follow_the_reference_not_the_samples(reference):
    names = [f"q{n:03}" for n in reversed(range(ROWS))]
    queries = pl.DataFrame({"query_id": names, "question": [row["instruction"].strip() for row in reference]})
    samples = pl.DataFrame(
        {
            "query_id": names * 2,
            "sample_id": [1] * ROWS + [0] * ROWS,
            "completion": ["late"] * ROWS + [f" o{n}\n" for n in range(ROWS)],
        }
    )
    rows = model_outputs(samples, queries, reference, "mine")
    assert [row["output"] for row in rows] == [f"o{n}" for n in range(ROWS)]
    assert list(rows[0]) == ["dataset", "instruction", "output", "generator"]
    assert [row["instruction"] for row in rows] == [row["instruction"] for row in reference]
    with pytest.raises(UserError, match="1 of 805 instructions have no completion"):
        model_outputs(samples.filter(pl.col("query_id") != "q004"), queries, reference, "mine")
