import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.evaluation.intervals import compare, mcnemar, mean_over_seeds, t95, wilson

VALUES = [0.940, 0.937, 0.912, 0.939, 0.965]


def scores(correct, seed=0):
    ids = [str(i) for i in range(len(correct))]
    return pl.DataFrame({"query_id": ids, "seed": [seed] * len(ids), "correct": [bool(c) for c in correct]})


def test_wilson_matches_published_values():
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for right, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        estimate = wilson(right, n)
        assert (estimate.low, estimate.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert wilson(0, 0).n == 0 and math.isnan(wilson(0, 0).value)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_value(case):
    estimate = wilson(*case)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_t95_joins_its_table_and_its_expansion():
    assert t95(1) == 12.7062 and t95(4) == 2.7764
    assert t95(21) == pytest.approx(2.0796, abs=1e-4)
    assert t95(30) == pytest.approx(2.0423, abs=1e-4)
    assert t95(1000) == pytest.approx(1.9623, abs=1e-4)


def test_mean_over_seeds():
    estimate = mean_over_seeds(VALUES)
    assert estimate.value == pytest.approx(0.9386)
    assert estimate.high - estimate.value == pytest.approx(2.7764 * statistics.stdev(VALUES) / math.sqrt(5))
    assert math.isnan(mean_over_seeds([0.5]).low)


def test_mcnemar_is_the_exact_binomial():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(9, 1) == mcnemar(1, 9)
    assert 0 < mcnemar(4000, 6000) < 1e-80


def test_compare_one_seed_is_mcnemar_with_an_interval_around_the_difference():
    first, second = scores([1] * 90 + [0] * 10), scores([1] * 80 + [0] * 15 + [1] * 5)
    result = compare(first, second)
    assert result.difference == pytest.approx(0.05)
    assert result.low < 0.05 < result.high
    assert result.p == mcnemar(10, 5)
    assert compare(first, second) == result
    assert compare(first, first)[:4] == (0.0, 100, 0.0, 0.0)


def test_compare_interval_covers_the_truth():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        a, b = random.random(400) < 0.7, random.random(400) < 0.6
        result = compare(scores(a), scores(b), resamples=500)
        hits += result.low <= 0.1 <= result.high
    assert hits >= 88


def test_seeds_are_clusters():
    """Seeds that disagree widen the interval, however many questions each has."""
    base, rest = [1] * 500 + [0] * 500, []
    for seed, right in enumerate((500, 600, 700, 800)):
        rest.append(scores([1] * right + [0] * (1000 - right), seed))
    first, second = pl.concat(rest), pl.concat([scores(base, seed) for seed in range(4)])
    result = compare(first, second)
    assert result.difference == pytest.approx(0.15)
    assert result.high - result.low > 0.15


def test_other_questions_are_refused():
    with pytest.raises(ValueError, match="different questions"):
        compare(scores([1, 0]), scores([1, 0, 1]))
