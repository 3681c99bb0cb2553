"""What a reward model's scores are worth: its confidence against how often it is right."""

import polars as pl

from scripts.lib.evaluation.clusters import clustered
from scripts.lib.evaluation.intervals import Estimate


def reliability(rewards: pl.DataFrame, best_score: float) -> list[tuple[float, Estimate]]:
    """(mean confidence, share ranked rightly with its interval) by tenths of confidence, from 0.5 on.

    Over all pairs of a right and a wrong answer of one query: by Eq. 7 the model holds the one of the higher
    reward for the better with probability sigma(|difference|). The intervals are over queries (`clustered`).
    `rewards`: HELD_OUT_REWARDS.
    """
    right = rewards.filter(pl.col("score") == best_score).select("query_id", right="reward")
    wrong = rewards.filter(pl.col("score") < best_score).select("query_id", wrong="reward")
    ahead = pl.col("right") - pl.col("wrong")
    sure = 1 / (1 + (-ahead.abs()).exp())
    pairs = right.join(wrong, on="query_id").select("query_id", won=ahead > 0, confidence=sure)
    tenth = (pl.col("confidence") * 10).floor().clip(5, 9).alias("tenth")
    return [
        (float(found["confidence"].to_numpy().mean()), clustered(found, "won"))
        for _, found in pairs.sort("confidence").group_by(tenth, maintain_order=True)
    ]


def misled(rewards: pl.DataFrame, best_score: float) -> pl.DataFrame:
    """Of the queries whose highest reward went to a wrong answer: that answer (HELD_OUT_REWARDS)."""
    first = rewards.sort("query_id", "reward", descending=[False, True], maintain_order=True)
    return first.unique("query_id", keep="first", maintain_order=True).filter(pl.col("score") < best_score)
