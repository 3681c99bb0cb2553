"""Intervals over clusters: by hand at the ends, by value in the middle, and their coverage."""

import numpy as np
import polars as pl
import pytest

from scripts.lib.evaluation.clusters import clustered
from scripts.lib.evaluation.intervals import wilson


def rows(*clusters: list[bool]) -> pl.DataFrame:
    named = [(f"q{at}", hit) for at, each in enumerate(clusters) for hit in each]
    return pl.DataFrame(named, schema=["query_id", "won"], orient="row")


def test_rows_of_a_query_that_agree_count_as_one():
    """20 queries, half of them all right and half all wrong: ten pairs of each say no more than one."""
    found = clustered(rows(*[[True] * 10] * 10, *[[False] * 10] * 10), "won")
    assert (found.value, found.n) == (0.5, 200)
    alone = wilson(8.5, 17)  # 20 queries, less their degrees of freedom
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize(
    ("clusters", "alone"),
    [([[True] * 5] * 8, wilson(8, 8)), ([[True, False, True]], wilson(2 / 3, 1)), ([], wilson(0, 0))],
)
def test_where_queries_do_not_differ_each_counts_as_one(clusters, alone):
    found = clustered(rows(*clusters), "won")
    assert (found.low, found.high, found.n) == (alone.low, alone.high, sum(map(len, clusters)))


@pytest.mark.parametrize("queries", [12, 60])
def test_nineteen_of_twenty_intervals_hold_the_truth(queries):
    """Of queries that differ as much as a reward model's (beta, mean 0.75), up to twelve pairs each: 95 %,
    where Wilson's interval of all pairs holds it three times in four."""
    random = np.random.default_rng(0)
    held = {"clustered": 0, "wilson": 0}
    for _ in range(400):
        sizes = random.integers(1, 13, queries)
        rates = random.beta(1.5, 0.5, queries)
        table = rows(*[(random.random(n) < rate).tolist() for n, rate in zip(sizes, rates, strict=True)])
        found, plain = clustered(table, "won"), wilson(int(table["won"].sum()), len(table))
        held["clustered"] += found.low <= 0.75 <= found.high
        held["wilson"] += plain.low <= 0.75 <= plain.high
    assert held["clustered"] / 400 >= 0.93 and held["wilson"] / 400 <= 0.85, held
