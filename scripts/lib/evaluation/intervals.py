"""Measures of doubt: intervals of accuracies and of paired differences, over questions and training runs."""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import polars as pl


class Estimate(NamedTuple):
    """A number with its 95 % interval; `n` counts distinct questions."""

    value: float
    n: int
    low: float
    high: float


class Comparison(NamedTuple):
    """One model minus another on the same questions, an `Estimate` with its two-sided p."""

    difference: float
    n: int
    low: float
    high: float
    p: float


class Part(NamedTuple):
    """One source of doubt: its share of the variance of a mean, estimated with so many degrees of freedom."""

    variance: float
    degrees: int


def wilson(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """A proportion with its Wilson score interval (Wilson 1927); of nothing: nan between 0 and 1."""
    if not n:
        return Estimate(math.nan, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, n, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def student_tail(t: float, degrees: int) -> float:
    """P(|T| > t) of Student's t, t >= 0 (Abramowitz and Stegun 26.7.3 and 26.7.4); error < 1e-13."""
    angle, odd = math.atan(t / math.sqrt(degrees)), degrees % 2
    k = np.arange(1, degrees // 2)
    terms = np.cumprod((2 * k - 1 + odd) / (2 * k + odd) * math.cos(angle) ** 2)
    series = math.sin(angle) * math.cos(angle) ** odd * (1 + terms.sum()) if degrees > 1 else 0.0
    return 1 - float(2 / math.pi * (angle + series) if odd else series)


@cache
def student_point(p: float, degrees: int) -> float:
    """The t that |T| exceeds with probability p: `student_tail` solved by bisection of its angle."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if student_tail(math.tan(middle) * math.sqrt(degrees), degrees) > p:
            low = middle
        else:
            high = middle
    return math.tan(low) * math.sqrt(degrees)


def half_width(parts: Sequence[Part], p: float = 0.05) -> float:
    """Half the interval that a mean's error leaves with probability p.

    The error's variance is the sum of the parts', and its quantile the mean of their Student quantiles,
    weighted by variance (Cochran and Cox 1950): exact for one part, a little wide for two. Satterthwaite's
    degrees of freedom are too many where the part with few is small by chance (three seeds: 92 % for 95 %).
    """
    total = sum(part.variance for part in parts)
    if not 0 < total < math.inf:
        return total
    points = sum(part.variance * student_point(p, part.degrees) for part in parts if part.variance)
    return points / math.sqrt(total)


def p_value(value: float, parts: Sequence[Part]) -> float:
    """Two-sided, of a mean that is 0 by hypothesis: the p at which `half_width` just reaches the value."""
    total = sum(part.variance for part in parts)
    if not 0 < total < math.inf:
        return float(value == 0 or total > 0)
    tails = [student_tail(abs(value) / math.sqrt(total), part.degrees) for part in parts if part.variance]
    low, high = min(tails), max(tails)
    for _ in range(30 if high > low else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if half_width(parts, middle) >= abs(value) else (low, middle)
    return high


def doubt(values: np.ndarray) -> list[Part]:
    """What makes the mean over runs of their means over questions uncertain.

    `values` [runs, questions], nan where a run did not have the question. Runs and questions are both drawn
    at random from all that there could be: value = mean + run + question + rest. The mean of S run means m
    then has the variance Var(m) / S + Cov(m, m'): their sample variance (S - 1 degrees of freedom) over S,
    and the mean covariance of two runs, which comes from the questions that they share. Where all are shared,
    this is the crossed two-way random-effects estimate (MS_runs + MS_questions - MS_rest) / (S Q); where none
    is, the t interval over runs. The covariance is not taken below 0. Of one run: its variance over
    questions; of one question: no end.
    """
    present = ~np.isnan(values)
    number, shared = present.sum(1), present.astype(np.int64) @ present.T
    means = np.nanmean(values, axis=1)
    deviations = np.where(present, values - means[:, None], 0.0)
    # The cross products of two runs' deviations, each from its own mean, divided so that it is unbiased.
    divisor = np.outer(number, number) - number[:, None] - number + shared
    covariance = deviations @ deviations.T / np.maximum(divisor, 1)
    covariance[(divisor < 1) & (shared > 0)] = np.inf
    runs = len(values)
    if runs == 1:
        return [Part(float(covariance[0, 0]), max(1, int(number[0]) - 1))]
    between = float(means.var(ddof=1)) / runs
    common = float(covariance[~np.eye(runs, dtype=bool)].mean())
    degrees = int((present.sum(0) > 1).sum()) - 1
    return [Part(between, runs - 1), Part(max(0.0, common), max(1, degrees))]


def question_doubt(values: np.ndarray) -> Part:
    """What makes the mean uncertain where only the questions could have been others, the runs being these.

    `values` as `doubt` takes them. The mean of S runs has the variance (own + (S - 1) common) / S: that of
    one run's mean, pooled, and the covariance of two. Where all values are the same, it is that with one more
    question a whole answer better and one a whole answer worse (as in `bonett_price`).

    It bounds what `doubt` says. The means of two or three runs are close by chance often enough; the variance
    between them is then next to 0, and alone would give an interval of no width and a p of 0. Its few degrees
    of freedom allow for that on average, and not in the case at hand. The intervals are bounded, not the
    variance: with the quantile of one degree of freedom two runs that tie would have six times this one.
    """
    runs, n = values.shape
    if np.nanmin(values) == np.nanmax(values):
        return Part(2 / (n + 2) ** 2, n + 1)
    number = (~np.isnan(values)).sum(1)
    squares = np.nansum((values - np.nanmean(values, axis=1)[:, None]) ** 2)
    own = float(squares / max(1, (number - 1).sum()) * (1 / number).mean())
    common = doubt(values)[1].variance if runs > 1 else own
    return Part((own + (runs - 1) * common) / runs, max(1, n - 1))


def doubts(values: np.ndarray) -> tuple[list[Part], list[Part]]:
    """What an interval of the mean spans and its p allows for, each by itself: `doubt`, `question_doubt`."""
    return doubt(values), [question_doubt(values)]


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided McNemar p: a fair coin for each question that one of two models alone gets right."""
    n, few = only_first + only_second, min(only_first, only_second)
    term, tail = 1, 1
    for k in range(1, few + 1):
        term = term * (n - k + 1) // k
        tail += term
    return min(1.0, 2 * tail / 2**n)


def bonett_price(only_first: int, only_second: int, n: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two paired proportions (Bonett and Price 2012).

    Wald's with one more question on either side: it excludes 0 where `mcnemar` is below 5 %, but for a few
    counts at the border, and has a width where the models never differ.
    """
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    error = math.sqrt((first + second - (first - second) ** 2) / (n + 2))
    half = NormalDist().inv_cdf(0.975) * error
    return max(-1.0, first - second - half), min(1.0, first - second + half)


def holm(ps: Sequence[float]) -> list[float]:
    """Two-sided p of several comparisons, corrected: 5 % bounds the chance of a false one (Holm 1979).

    In the order given: the k-th smallest of m times m - k + 1, none below a smaller one's, none above 1.
    """
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    corrected, least = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = least
    return corrected


def over_runs(values: np.ndarray, difference: bool = False) -> Estimate:
    """The mean over runs of their means over questions, with its interval.

    `values` as `doubt` takes them, in [0, 1], or in [-1, 1] a `difference` of two such. With several runs the
    interval speaks for new runs and new questions, and is no narrower than for these runs and new questions:
    it covers 95 % where runs differ, and up to 99 % where they differ by chance alone. With one run it speaks
    for new questions only: of right or wrong it is `wilson` or `bonett_price`.
    """
    runs, n = values.shape
    value = float(np.nanmean(values, axis=1).mean())
    if runs == 1 and not (values % 1).any():
        right, wrong = int((values > 0).sum()), int((values < 0).sum())
        return Estimate(value, n, *bonett_price(right, wrong, n)) if difference else wilson(right, n)
    half = max(map(half_width, doubts(values)))
    return Estimate(value, n, max(-1.0 if difference else 0.0, value - half), min(1.0, value + half))


def matrix(scores: pl.DataFrame, column: str = "correct") -> np.ndarray:
    """A column of scores as [runs, questions], both sorted, nan where a run did not have the question.

    `scores`: seed, query_id and the column, one row a question of a seed.
    """
    wide = scores.sort("seed").pivot(on="seed", index="query_id", values=column).sort("query_id")
    return wide.drop("query_id").cast(pl.Float64).fill_null(math.nan).to_numpy().T


def distinct(scores: pl.DataFrame, *runs: str) -> pl.DataFrame:
    """The scores without the seeds that only point at another seed's run, as `runs`, columns, say."""
    return scores.filter(pl.col("seed") == pl.col("seed").min().over(runs or "run"))


def gains(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """What one model has over another on each question that both answered: seed, query_id, gain in [-1, 1].

    Each has seed, run (seeds may share one: the teacher's evaluation), query_id and correct, one row a
    question. Two runs that meet for several seeds are compared once.
    """
    both = first.join(second, on=["seed", "query_id"], suffix="_second")
    gain = pl.col("correct").cast(pl.Float64) - pl.col("correct_second").cast(pl.Float64)
    return distinct(both, "run", "run_second").select("seed", "query_id", gain.alias("gain"))


def compare(gains: pl.DataFrame) -> Comparison:
    """The difference of two models by their `gains`: the mean over runs of the mean over questions.

    With several runs interval and p are those of `doubt`, bounded by `question_doubt`; with one they speak
    for new questions only, of right or wrong by `bonett_price` and `mcnemar`.
    """
    values = matrix(gains, "gain")
    estimate = over_runs(values, difference=True)
    if len(values) == 1 and not (values % 1).any():
        p = mcnemar(int((values > 0).sum()), int((values < 0).sum()))
    else:
        p = max(p_value(estimate.value, parts) for parts in doubts(values))
    return Comparison(*estimate, p)
