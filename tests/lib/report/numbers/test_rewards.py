"""Confidence of a reward model against how often it is right, by hand."""

import math

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.report.numbers.rewards import misled, reliability

REWARDS = pl.DataFrame(
    [
        ("q1", "student", 0, 1.0, 2.0),
        ("q1", "student", 1, 0.0, 0.0),
        ("q1", "teacher", 0, 1.0, -0.1),
        ("q2", "student", 0, 1.0, 0.0),
        ("q2", "student", 1, 0.0, 3.0),
        ("q3", "student", 0, 1.0, 9.0),
        ("q4", "student", 0, 1.0, 0.5),
        ("q4", "student", 1, 0.0, 0.0),
    ],
    schema=tables.HELD_OUT_REWARDS,
    orient="row",
)


def test_pairs_of_a_query_are_counted_by_how_sure_the_model_is():
    """q1: ahead by 2 (0.88 sure, right) and behind by 0.1 (0.52, wrong); q2: behind by 3 (0.95, wrong); q4:
    ahead by 0.5 (0.62, right)."""
    found = reliability(REWARDS, 1.0)
    sure = [1 / (1 + math.exp(-each)) for each in (0.1, 0.5, 2, 3)]
    assert [confidence for confidence, _ in found] == pytest.approx(sure)
    assert [(each.value, each.n) for _, each in found] == [(0, 1), (1, 1), (1, 1), (0, 1)]
    assert reliability(REWARDS.filter(query_id="q3"), 1.0) == []


def test_the_reward_is_misled_where_a_wrong_answer_has_the_highest():
    assert misled(REWARDS, 1.0).select("query_id", "sample_id").rows() == [("q2", 1)]
