import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.evaluation.intervals import (
    Part,
    bonett_price,
    compare,
    distinct,
    doubt,
    gains,
    half_width,
    holm,
    matrix,
    mcnemar,
    over_runs,
    p_value,
    question_doubt,
    student_point,
    student_tail,
    wilson,
)


def scores(correct, seed=0, run=None, start=0):
    ids = [f"q{start + i:05d}" for i in range(len(correct))]
    each = pl.DataFrame({"query_id": ids, "correct": [float(c) for c in correct]})
    return each.with_columns(seed=pl.lit(seed), run=pl.lit(run or f"run {seed}"))


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


def test_student_is_scipys():
    # scipy 1.17: 2 * stats.t.sf(t, df) and stats.t.isf(p / 2, df).
    for t, degrees, tail in (
        (0.0, 3, 1.0),
        (2.0, 1, 0.2951672353008665),
        (2.0, 2, 0.18350341907227397),
        (5.0, 3, 0.015392438073302294),
        (2.0, 20, 0.05926553544657044),
        (2.0, 1318, 0.0457051590825917),
    ):
        assert student_tail(t, degrees) == pytest.approx(tail, abs=1e-12)
    for degrees, point in ((1, 12.706204736), (2, 4.302652730), (4, 2.776445105), (999, 1.962341461)):
        assert student_point(0.05, degrees) == pytest.approx(point, abs=1e-8)


def test_one_part_is_student_and_two_are_weighted_by_variance():
    assert half_width([Part(0.04, 2)]) == pytest.approx(0.2 * 4.302652730)
    two = half_width([Part(0.01, 2), Part(0.03, 999)])
    assert two == pytest.approx(0.2 * (0.25 * 4.302652730 + 0.75 * 1.962341461))
    assert half_width([Part(0.0, 2), Part(0.0, 5)]) == 0


def test_p_reaches_five_percent_where_the_interval_reaches_zero():
    parts = [Part(0.01, 2), Part(0.03, 999)]
    half = half_width(parts)
    assert p_value(half, parts) == p_value(-half, parts) == pytest.approx(0.05, abs=1e-8)
    assert p_value(1.01 * half, parts) < 0.05 < p_value(0.99 * half, parts)
    assert p_value(0.4, [Part(0.04, 2)]) == pytest.approx(0.18350341907)
    assert p_value(0, parts) == pytest.approx(1)
    assert p_value(0.0, [Part(0.0, 2)]) == 1 and p_value(0.1, [Part(0.0, 2)]) == 0


def test_doubt_of_shared_questions_is_the_two_way_random_effects_estimate():
    values = np.array([[1.0, 1, 0, 1, 0, 1, 1, 0], [1, 1, 0, 1, 1, 1, 1, 0], [1, 0, 0, 1, 1, 1, 1, 0]])
    runs, n = values.shape
    rest = values - values.mean(1)[:, None] - values.mean(0) + values.mean()
    of_runs, of_questions = n * values.mean(1).var(ddof=1), runs * values.mean(0).var(ddof=1)
    of_rest = (rest**2).sum() / ((runs - 1) * (n - 1))
    between, common = doubt(values)
    assert between == Part(pytest.approx(of_runs / (runs * n)), 2)
    assert common == Part(pytest.approx((of_questions - of_rest) / (runs * n)), n - 1)


def test_doubt_of_own_questions_is_the_t_interval_over_runs():
    means, own = (0.75, 0.25, 0.5), np.full((3, 12), np.nan)
    for seed, mean in enumerate(means):
        own[seed, 4 * seed : 4 * seed + 4] = [1.0] * int(4 * mean) + [0.0] * int(4 - 4 * mean)
    assert doubt(own)[0] == Part(pytest.approx(statistics.variance(means) / 3), 2)
    assert doubt(own)[1].variance == 0
    estimate = over_runs(own)
    assert estimate.value == pytest.approx(0.5) and estimate.n == 12
    assert estimate.high - estimate.value == pytest.approx(min(0.5, 4.302652730 * 0.25 / math.sqrt(3)))


def test_doubt_of_partly_shared_questions_has_their_part_of_the_covariance():
    """Two runs of four questions, two of them shared: the covariance of the shared ones, times 2 of 4 x 4."""
    values = np.array([[1.0, 0, 1, 0, np.nan, np.nan], [np.nan, np.nan, 1, 0, 1, 0]])
    between, common = doubt(values)
    assert between.variance == 0
    # Cross product of the shared deviations 2 x 0.25; E = 2 var (1 - 1/4 - 1/4 + 2/16); times 2 / (4 x 4).
    assert common == Part(pytest.approx(0.5 / (2 * 0.625) * 2 / 16), 1)


def test_a_model_copied_to_three_seeds_is_as_sure_as_one():
    one = np.array([[1.0] * 70 + [0.0] * 30])
    assert sum(part.variance for part in doubt(np.repeat(one, 3, axis=0))) == pytest.approx(
        doubt(one)[0].variance
    )
    assert doubt(one) == [Part(pytest.approx(0.7 * 0.3 / 99), 99)]


def test_runs_weigh_the_same_whatever_their_questions():
    estimate = over_runs(np.array([[1.0, np.nan, np.nan], [0.0, 0.0, 1.0]]))
    assert estimate.value == pytest.approx((1 + 1 / 3) / 2) and estimate.n == 3


def test_one_question_says_nothing():
    assert over_runs(np.array([[0.3]]))[2:] == (0.0, 1.0)
    assert over_runs(np.array([[0.3], [0.4]]), difference=True)[2:] == (-1.0, 1.0)


def test_one_run_of_right_or_wrong_is_wilson():
    assert over_runs(np.array([[1.0] * 81 + [0.0] * 182])) == wilson(81, 263)
    several_samples = over_runs(np.array([[1.0, 0.5, 0.0, 0.5]]))
    half = 3.182446305 * math.sqrt(np.var([1, 0.5, 0, 0.5], ddof=1) / 4)
    assert several_samples.high == pytest.approx(min(1, 0.5 + half))


FIXED, OWN = "one benchmark for all runs", "questions of each run's own"


def drawn(rng, runs, n, design, effect):
    """Answers [runs, questions] of two models whose accuracies over all runs are 0.71 and 0.65."""
    number = n if design == FIXED else runs * n
    hard = rng.random(number) < 0.5
    shape = np.ones((runs, number), dtype=bool)
    if design == OWN:
        shape = np.kron(np.eye(runs, dtype=bool), np.ones((1, n), dtype=bool))
    of_run = rng.normal(0, effect, (2, runs, 1))
    chances = np.stack([np.where(hard, 0.5, 0.92), np.where(hard, 0.42, 0.88)])[:, None] + of_run
    answers = np.where(shape, rng.random((2, runs, number)) < chances, np.nan)
    return answers, of_run.mean(axis=(1, 2))


@pytest.mark.parametrize("what", ["accuracy", "difference"])
@pytest.mark.parametrize("design", [FIXED, OWN])
@pytest.mark.parametrize(
    ("runs", "effects", "most"),
    [
        (1, (0.0, 0.015), 0.97),
        *((runs, (0.0, 0.015), 0.995) for runs in (2, 3, 4, 5)),
        *((runs, (0.1,), 0.98) for runs in (2, 3, 5)),
    ],
)
def test_95_percent_intervals_cover_the_truth(runs, effects, most, design, what):
    """With no effect of the run or one of 1.5 points, where the bound by the questions is often the wider,
    and with one of 10, where it hardly counts; one run's interval speaks for that run alone."""
    rng, hits = np.random.default_rng(runs), []
    for effect in effects:
        for _ in range(500):
            (first, second), this = drawn(rng, runs, 120, design, effect)
            truth = np.array([0.71, 0.65]) + (this if runs == 1 else 0)
            if what == "accuracy":
                estimate, wanted = over_runs(first), truth[0]
            else:
                estimate, wanted = over_runs(first - second, difference=True), truth[0] - truth[1]
            hits.append(estimate.low <= wanted <= estimate.high)
    assert 0.93 <= np.mean(hits) <= most


def own_questions(*runs):
    """[runs, questions] of runs that share none."""
    values = np.full((len(runs), sum(map(len, runs))), np.nan)
    start = 0
    for row, run in enumerate(runs):
        values[row, start : start + len(run)] = run
        start += len(run)
    return values


def test_runs_that_tie_are_no_surer_than_their_questions():
    """Two seeds with 963 of 1,000 each, then a difference of 30 in both: the interval and p of 2,000."""
    right = [1.0] * 963 + [0.0] * 37
    tied = own_questions(right, right)
    assert doubt(tied)[0].variance == 0
    error = math.sqrt(0.963 * 0.037 / 999 / 2)
    assert question_doubt(tied) == Part(pytest.approx(error**2), 1999)
    estimate = over_runs(tied)
    half = student_point(0.05, 1999) * error
    assert (estimate.low, estimate.high) == pytest.approx((0.963 - half, 0.963 + half))
    gained = pl.concat([scores([1] * 50 + [0] * 950, seed, start=1000 * seed) for seed in (0, 1)])
    lost = pl.concat([scores([0] * 980 + [1] * 20, seed, start=1000 * seed) for seed in (0, 1)])
    found = compare(gains(gained, lost))
    error = math.sqrt((0.07 - 0.03**2) / 999 / 2)
    half = student_point(0.05, 1999) * error
    assert (found.low, found.high) == pytest.approx((0.03 - half, 0.03 + half))
    assert found.p == pytest.approx(student_tail(0.03 / error, 1999)) and found.p > 0


def test_runs_that_tie_on_the_same_questions_have_half_of_the_doubt_that_they_do_not_share():
    """Of four questions two are always right, and one of the others in either run."""
    values = np.array([[1.0, 1, 1, 0] * 25, [1.0, 1, 0, 1] * 25])
    own, common = 0.75 * 0.25 / 99, doubt(values)[1].variance
    assert doubt(values)[0].variance == 0 and common == 0
    assert question_doubt(values) == Part(pytest.approx(own / 2), 99)
    copies = np.repeat(values[:1], 3, axis=0)
    assert question_doubt(copies) == Part(pytest.approx(own), 99)
    assert half_width([question_doubt(copies)]) == pytest.approx(half_width(doubt(copies)))


def test_values_that_are_all_the_same_have_a_width():
    """Bonett and Price's, but for Student's quantile; of all right nearly Wilson's."""
    never = over_runs(own_questions([0.0] * 500, [0.0] * 500), difference=True)
    assert (never.low, never.high) == pytest.approx(bonett_price(0, 0, 1000), rel=2e-3)
    right = over_runs(own_questions([1.0] * 500, [1.0] * 500))
    assert right.high == 1 and 0.995 < right.low < 0.998
    assert over_runs(np.full((1, 9), 0.5)).low < 0.5
    pairs = [pl.concat([scores([each] * 9, seed) for seed in (0, 1)]) for each in (1, 0)]
    assert 0 < compare(gains(*pairs)).p < 0.001


def test_a_run_of_one_question_does_not_widen_all():
    """As a rare kind of question may have in a seed: its variance is the other runs'."""
    values = own_questions([1.0] * 30 + [0.0] * 10, [1.0])
    assert question_doubt(values).variance == pytest.approx(7.5 / 39 * (1 / 40 + 1) / 4)
    assert half_width([question_doubt(own_questions([0.0], [1.0]))]) == 0


def test_mcnemar_is_the_exact_binomial():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(9, 1) == mcnemar(1, 9)
    assert 0 < mcnemar(4000, 6000) < 1e-80


def test_bonett_price_is_the_published_formula():
    # p1~ = 10/98, p2~ = 4/98 of 9 and 3 of 96.
    low, high = bonett_price(9, 3, 96)
    half = 1.959964 * math.sqrt((14 / 98 - (6 / 98) ** 2) / 98)
    assert (low, high) == (pytest.approx(6 / 98 - half), pytest.approx(6 / 98 + half))
    assert bonett_price(3, 9, 96) == (-high, -low)
    assert bonett_price(0, 0, 98) == (pytest.approx(-0.02765, abs=1e-4), pytest.approx(0.02765, abs=1e-4))


def test_its_interval_agrees_with_mcnemar():
    """Whether 0 is excluded and whether p is below 5 %, but for counts where p is within 3 to 8 %."""
    for first in range(60):
        for second in range(60):
            low, high = bonett_price(first, second, 1000)
            p = mcnemar(first, second)
            assert (low > 0 or high < 0) == (p < 0.05) or 0.03 < p < 0.08


def test_gains_are_paired_by_seed_and_question():
    first = pl.concat([scores([1, 0, 1], 0), scores([0.5, 1], 1, start=7)])
    second = pl.concat([scores([0, 0], 0, start=1), scores([1, 0.25, 1], 1, start=7), scores([1], 2)])
    found = gains(first, second).sort("seed", "query_id")
    assert found.rows() == [(0, "q00001", 0.0), (0, "q00002", 1.0), (1, "q00007", -0.5), (1, "q00008", 0.75)]


def test_runs_that_meet_again_are_compared_once():
    base = pl.concat([scores([0, 1], seed, "base") for seed in (1, 2, 3)])
    teacher = pl.concat([scores([1, 1], seed, "teacher") for seed in (1, 2, 3)])
    trained = pl.concat([scores([1, 1], seed) for seed in (1, 2, 3)])
    assert gains(teacher, base)["seed"].to_list() == [1, 1]
    assert sorted(gains(trained, base)["seed"]) == [1, 1, 2, 2, 3, 3]
    assert distinct(base)["seed"].to_list() == [1, 1] and len(distinct(trained)) == 6


def test_a_matrix_has_a_row_a_run_and_nothing_where_nothing_was_asked():
    table = pl.concat([scores([1, 0], 9, start=1), scores([0.5], 2)])
    assert np.array_equal(matrix(table), [[0.5, np.nan, np.nan], [np.nan, 1, 0]], equal_nan=True)


def test_one_run_is_compared_by_bonett_price_and_mcnemar():
    first, second = scores([1] * 90 + [0] * 10), scores([1] * 80 + [0] * 15 + [1] * 5)
    result = compare(gains(first, second))
    assert result.difference == pytest.approx(0.05) and result.n == 100
    assert (result.low, result.high) == bonett_price(10, 5, 100)
    assert result.p == mcnemar(10, 5)


def test_several_runs_are_compared_by_one_interval_and_its_p():
    first = pl.concat(
        [scores([1] * right + [0] * (10 - right), seed) for seed, right in enumerate((9, 8, 8))]
    )
    second = pl.concat([scores([1] * 6 + [0] * 4, seed) for seed in range(3)])
    result = compare(gains(first, second))
    values = np.array([[0.0] * 6 + [1.0] * k + [0.0] * (4 - k) for k in (3, 2, 2)])
    assert result.difference == pytest.approx(0.7 / 3) and result.n == 10
    assert result[2:4] == over_runs(values, difference=True)[2:]
    assert result.p == p_value(result.difference, doubt(values))
    assert (result.low > 0) == (result.p < 0.05)


def test_several_samples_a_question_have_no_mcnemar():
    result = compare(gains(scores([0.5, 1.0, 0.75]), scores([0.25, 0.5, 0.75])))
    # The t test of the gains 0.25, 0.5 and 0.
    assert result.difference == pytest.approx(0.25)
    assert result.p == pytest.approx(student_tail(0.25 / math.sqrt(0.0625 / 3), 2))


def test_holm_is_statsmodels():
    # statsmodels 0.14: multipletests(ps, method="holm")[1].
    for ps, corrected in (
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9, 0.001], [1.0, 1.0, 0.003]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.3], [0.3]),
        ([], []),
    ):
        assert holm(ps) == pytest.approx(corrected)
