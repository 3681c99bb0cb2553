"""Measures of doubt: intervals of accuracies, paired tests, means over seeds."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import polars as pl


class Estimate(NamedTuple):
    """A number with its 95 % interval; `low` and `high` are nan where one value gives none."""

    value: float
    n: int
    low: float
    high: float


class Comparison(NamedTuple):
    """`first` minus `second` on the same questions; `p` is two-sided."""

    difference: float
    n: int
    low: float
    high: float
    p: float


def wilson(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """A proportion with its Wilson score interval (Wilson 1927); of nothing: nan between 0 and 1."""
    if not n:
        return Estimate(math.nan, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, n, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


_T95 = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281]
_T95 += [2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860]


def t95(degrees: int) -> float:
    """The 97.5 % point of Student's t: a table to 20 degrees of freedom, then Cornish-Fisher
    (error < 1e-4)."""
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def mean_over_seeds(values: list[float]) -> Estimate:
    """The mean of independent runs with its t interval; one run has no interval."""
    n = len(values)
    if n < 2:
        return Estimate(values[0] if values else math.nan, n, math.nan, math.nan)
    mean = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t95(n - 1) * spread / math.sqrt(n)
    return Estimate(mean, n, mean - half, mean + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided McNemar p: a fair coin for each question that one of two models alone gets right."""
    n, few = only_first + only_second, min(only_first, only_second)
    term, tail = 1, 1
    for k in range(1, few + 1):
        term = term * (n - k + 1) // k
        tail += term
    return min(1.0, 2 * tail / 2**n)


def paired(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Join two runs of scores on their questions.

    Each has query_id, correct and, where there are several, seed; several samples of a question are averaged.
    Returns seed, query_id, first, second (floats in [0, 1]), sorted; raises ValueError when the questions
    differ.
    """

    def shares(scores: pl.DataFrame) -> pl.DataFrame:
        if "seed" not in scores.columns:
            scores = scores.with_columns(pl.lit(0, dtype=pl.Int32).alias("seed"))
        return scores.group_by("seed", "query_id").agg(pl.col("correct").cast(pl.Float64).mean())

    left, right = shares(first).rename({"correct": "first"}), shares(second).rename({"correct": "second"})
    both = left.join(right, on=["seed", "query_id"]).sort("seed", "query_id")
    if not left.height == right.height == both.height:
        raise ValueError(
            f"paired scores of different questions: {left.height}, {right.height}, common {both.height}"
        )
    return both


def compare(first: pl.DataFrame, second: pl.DataFrame, resamples: int = 10_000) -> Comparison:
    """The paired difference of two models over seeds and questions, with a bootstrap interval and a p-value.

    Takes what `paired` takes; the difference is the mean over seeds of the mean over questions.
    The bootstrap is
    clustered: seeds are drawn with replacement, then the questions of each drawn seed,
        so that the interval speaks
    for new seeds as well; with one seed it speaks for new questions only.
    With few seeds (fewer than about five) it is too narrow: show `mean_over_seeds` of the differences beside
    it. `p` is exact McNemar for one seed of one sample a question,
    else the share of resamples on the other side of 0, doubled and never under 2 / resamples.
    Deterministic: the generator's seed is fixed.
    """
    table = paired(first, second).with_columns((pl.col("first") - pl.col("second")).alias("gain"))
    if not table.height:
        return Comparison(math.nan, 0, math.nan, math.nan, math.nan)
    random = np.random.default_rng(20_240_501)
    gains = [group["gain"].to_numpy() for group in table.partition_by("seed", maintain_order=True)]
    difference = float(np.mean([gain.mean() for gain in gains]))
    # Draws of questions are multinomial counts of the distinct gains: for right/wrong these are -1, 0 and 1.
    values = [np.unique(gain, return_counts=True) for gain in gains]
    drawn = random.multinomial(len(gains), [1 / len(gains)] * len(gains), size=resamples)
    totals = np.zeros(resamples)
    for seed, (points, counts) in enumerate(values):
        for copy in range(drawn[:, seed].max()):
            rows = np.flatnonzero(drawn[:, seed] > copy)
            n = int(counts.sum())
            totals[rows] += random.multinomial(n, counts / n, size=len(rows)) @ points / n
    means = totals / len(gains)
    low, high = np.quantile(means, [0.025, 0.975])
    if len(gains) == 1 and set(np.unique(table["gain"])) <= {-1.0, 0.0, 1.0}:
        p = mcnemar(int((table["gain"] > 0).sum()), int((table["gain"] < 0).sum()))
    else:
        p = min(1.0, 2 * max(1, min((means <= 0).sum(), (means >= 0).sum())) / resamples)
    return Comparison(difference, table.height, float(low), float(high), float(p))
