"""What the teacher's votes are worth, held against reference answers."""

import polars as pl

from scripts.lib.labels.votes import choose_voters, vote
from scripts.lib.report.study import Labels
from scripts.lib.samples.read import gather
from scripts.lib.tasks.bulk import golds_like


def ballots(labels: Labels) -> pl.DataFrame:
    """The answers of the samples that vote: query_id, sample_id, answer (null: none), temperature, round."""
    answers = gather(labels.answers, "answer", "temperature", "round")
    chosen = choose_voters(answers, labels.vote.m, labels.vote.voters)
    return answers.join(chosen, on=["query_id", "sample_id"], how="semi")


def pluralities(said: pl.DataFrame, golds: pl.DataFrame, task: str, m: int) -> pl.DataFrame:
    """The most voted answer of every query, whatever its share, held against the gold: share, reason, right.

    `said`: `ballots`, at most m per query. Labels keep no answer below the threshold, so the vote is taken
    again with none. Ties and queries without an answer are not right. Diagnosis only: this is where the
    report reads golds of training queries.
    """
    right = (pl.col("label") == pl.col("gold")).fill_null(False)
    voted = vote(said, m, 0.0).join(golds_like(task, golds, said), on="query_id")
    return voted.select("share", "reason", right.alias("right"))


def rightly(labels: pl.DataFrame, said: pl.DataFrame, golds: pl.DataFrame, task: str) -> tuple[int, int]:
    """How many labels are the gold, and how many there are with one. Diagnosis only, as `pluralities`."""
    known = labels.drop_nulls("label").join(golds_like(task, golds, said), on="query_id")
    return known.filter(pl.col("label") == pl.col("gold")).height, known.height


def verdicts(
    said: pl.DataFrame, labels: pl.DataFrame, golds: pl.DataFrame, task: str
) -> dict[bool, tuple[int, int]]:
    """Figure 9: the teacher's verdict on its own voting samples, by their label, against the gold.

    Returns, for the samples called right (True) and called wrong (False), how many the gold agrees with, and
    how many there are; of labelled queries with a gold. Diagnosis only, as `pluralities`.
    """
    gold = golds_like(task, golds, said)
    known = labels.drop_nulls("label").select("query_id", "label").join(gold, on="query_id")
    says, true = ((pl.col("answer") == pl.col(name)).fill_null(False) for name in ("label", "gold"))
    counted = said.join(known, on="query_id").select(says.alias("says"), (says == true).alias("agrees"))
    parts = {verdict: counted.filter(pl.col("says") == verdict)["agrees"] for verdict in (True, False)}
    return {verdict: (int(part.sum()), len(part)) for verdict, part in parts.items()}


def calibration(voted: pl.DataFrame) -> list[tuple[float, float, float]]:
    """(threshold, coverage, precision) per share that occurs: queries with at least that share labelled."""
    winners = voted.filter(pl.col("reason") == "ok")
    curve = []
    for threshold in winners["share"].round(6).unique().sort():
        kept = winners.filter(pl.col("share") >= threshold - 1e-6)
        curve.append((threshold, len(kept) / len(voted), int(kept["right"].sum()) / len(kept)))
    return curve


def share_bars(voted: pl.DataFrame) -> list[tuple[float, int, int]]:
    """(mean share, right, wrong) by tenths of the share, one between two in the lower; without queries
    nobody voted on."""
    tenth = (pl.col("share") * 10 + 1e-9).floor().clip(1, 10).alias("tenth")
    means = (pl.col("share").mean(), pl.col("right").sum(), pl.len())
    counted = voted.filter(pl.col("share") > 0).group_by(tenth).agg(*means).sort("tenth")
    return [(share, right, total - right) for _, share, right, total in counted.iter_rows()]
