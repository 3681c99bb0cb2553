"""Several answers to a question, of which one is taken: by majority, or by a reward model; and how accuracy
grows with their number.

Every value is the mean over all subsets of a question's N samples (as pass@k, Chen et al. 2021): no draw.
"""

from collections.abc import Sequence
from functools import cache
from math import comb
from typing import Literal

import numpy as np
import polars as pl

Taken = Literal["majority", "best_of_n"]
"""How one of the answers is taken."""


def sizes(most: int) -> list[int]:
    """1, 2, 4, ... and `most`."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def any_right(right: int, total: int, n: int) -> float:
    """The probability that of n of `total` samples one of the `right` ones is there (pass@n)."""
    return 1 - comb(total - right, n) / comb(total, n)


def best_right(right: Sequence[bool], n: int) -> float:
    """The probability that the first of n samples is right; `right`: of all samples, the best one first."""
    total = len(right)
    return sum(comb(total - 1 - at, n - 1) for at, hit in enumerate(right) if hit) / comb(total, n)


@cache
def majority_right(right: int, others: tuple[int, ...], silent: int) -> tuple[float, ...]:
    """The probability, for n = 1 .. N, that of n samples more state the right answer than any other one.

    `right`: samples that state it, `others`: those of each other answer, `silent`: those without one, which
    vote for nobody. A tie has no winner, as in Eq. 1. Counts the subsets by their generating polynomials: x
    to the power of a subset's size, truncated where another answer would have as many votes.
    """
    total = right + sum(others) + silent
    ways = np.zeros(total + 1)
    for votes in range(1, right + 1):
        rest = _subsets(silent)
        for other in others:
            rest = np.convolve(rest, _subsets(other)[:votes])
        ways[votes : votes + len(rest)] += comb(right, votes) * rest
    return tuple(float(ways[n]) / comb(total, n) for n in range(1, total + 1))


@cache
def _subsets(total: int) -> np.ndarray:
    """How many subsets of each size 0 .. total there are."""
    return np.array([float(comb(total, size)) for size in range(total + 1)])


def growth(scores: pl.DataFrame, rewards: pl.DataFrame | None) -> pl.DataFrame:
    """How likely each rule is right on a question with n of its samples: `tables.GROWTH`.

    `scores`: query_id, sample_id, answer (null: none), correct; `rewards`: query_id, sample_id, reward, where
    a reward model chooses. Rules: mean (one sample), majority, oracle (one of them is right), and best_of_n.
    """
    rows = []
    for query, answers, right in _by_question(scores, rewards):
        total, hits = len(right), sum(right)
        votes = _majority(answers, right)
        for n in sizes(total):
            found = {"mean": hits / total, "majority": votes[n - 1], "oracle": any_right(hits, total, n)}
            found |= {} if rewards is None else {"best_of_n": best_right(right, n)}
            rows += [(query, n, rule, value) for rule, value in found.items()]
    return pl.DataFrame(rows, schema=["query_id", "n", "rule", "correct"], orient="row")


def _by_question(scores: pl.DataFrame, rewards: pl.DataFrame | None):
    """query_id, answers, whether each is right; the best one by the rewards first, else by sample_id."""
    for (query,), mine in ranked(scores, rewards).group_by("query_id", maintain_order=True):
        yield query, mine["answer"].to_list(), mine["correct"].to_list()


def _majority(answers: Sequence[str | None], right: Sequence[bool]) -> list[float]:
    """`majority_right`, over all right answers: some tasks accept several."""
    counts = {answer: answers.count(answer) for answer in dict.fromkeys(answers) if answer is not None}
    silent = len(answers) - sum(counts.values())
    whole = np.zeros(len(answers))
    for answer in {answer for answer, hit in zip(answers, right, strict=True) if hit and answer is not None}:
        others = tuple(sorted(count for other, count in counts.items() if other != answer))
        whole += majority_right(counts[answer], others, silent)
    return whole.tolist()


def ranked(scores: pl.DataFrame, rewards: pl.DataFrame | None) -> pl.DataFrame:
    """The scores, within a query by falling reward, of equal ones (and without rewards) by sample_id."""
    if rewards is None:
        return scores.sort("query_id", "sample_id")
    joined = scores.join(rewards, on=["query_id", "sample_id"], how="left", maintain_order="left")
    return joined.sort("query_id", "reward", "sample_id", descending=[False, True, False], nulls_last=True)


def take(scores: pl.DataFrame, taken: Taken, rewards: pl.DataFrame | None) -> pl.DataFrame:
    """One row a question, of the answer that is taken among all: `scores`' columns.

    By majority it is the first sample with the winner's answer; where there is none (a tie, no answer), the
    first sample with no answer of its own, status "tie" where answers tie.
    """
    if taken == "best_of_n":
        return ranked(scores, rewards).unique("query_id", keep="first", maintain_order=True)
    votes = scores.drop_nulls("answer").group_by("query_id", "answer").len()
    most = votes.filter(pl.col("len") == pl.col("len").max().over("query_id"))
    winners = most.group_by("query_id").agg(pl.col("answer").first().alias("winner"), pl.len().alias("tied"))
    first = pl.col("answer").eq_missing(pl.col("winner")) | (pl.col("tied") > 1).fill_null(False)
    chosen = (
        scores.sort("query_id", "sample_id")
        .join(winners, on="query_id", how="left", maintain_order="left")
        .filter(first)
        .unique("query_id", keep="first", maintain_order=True)
    )
    tied = (pl.col("tied") > 1).fill_null(False)
    return chosen.with_columns(
        answer=pl.when(~tied).then("answer"),
        status=pl.when(tied).then(pl.lit("tie")).otherwise("status"),
        correct=pl.col("correct") & ~tied,
    ).select(scores.columns)
