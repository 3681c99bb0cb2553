"""Majority votes over answers (Eq. 1): values are voted on, abstentions count, ties have no winner."""

from collections import Counter
from collections.abc import Iterable

import polars as pl

from scripts.lib.data.tables import LABELS
from scripts.lib.errors import UserError
from scripts.lib.labels.settings import Vote, Voters
from scripts.lib.samples.spread import spread


def choose_voters(samples: pl.DataFrame, m: int, voters: Voters = "last_round") -> pl.DataFrame:
    """Pick at most `m` samples per query, spread evenly over its temperatures.

    `samples`: query_id, sample_id, temperature, round. Round-robin:
    the first sample of every temperature (lowest temperature first, samples by sample_id),
    then the second of every temperature, and so on. `last_round` chooses among the samples of the query's
    last round only. A greedy completion votes once (section 3: draws are i.i.d.): rounds that repeat
    temperature 0 repeat it. Depends on the ids alone, not on the order of rows. Returns query_id, sample_id.
    """
    if voters == "last_round":
        samples = samples.filter(pl.col("round") == pl.col("round").max().over("query_id"))
    greedy = pl.col("temperature") == 0
    first = pl.col("round").filter(greedy).min().over("query_id")
    own = samples.filter(~greedy | (pl.col("round") == first))
    return spread(own, m, by="sample_id").select("query_id", "sample_id")


def vote(answers: pl.DataFrame, m: int, threshold: float) -> pl.DataFrame:
    """Label each query by the majority of its voters (Eq. 1); columns of `tables.LABELS`.

    `answers`: query_id, answer (canonical; null abstains), one row per voter, at most `m` per query.
    Shares are over `m`: an abstention, and a voter that was never sampled, speaks for no answer.
    `reason` is the first that holds of no_answer (nobody answered), tie (two answers share the most votes),
    below_threshold (share < threshold), ok. `votes` are those of the winner or of each of the tied.
    """
    most = pl.col("votes") == pl.col("votes").max()
    winners = (
        answers.lazy()
        .drop_nulls("answer")
        .group_by("query_id", "answer")
        .agg(pl.len().cast(pl.Int32).alias("votes"))
        .group_by("query_id")
        .agg(
            pl.col("votes").max(),
            most.sum().alias("tied"),
            pl.col("answer").filter(most).min().alias("label"),
        )
    )
    reason = (
        pl.when(pl.col("votes") == 0)
        .then(pl.lit("no_answer"))
        .when(pl.col("tied") > 1)
        .then(pl.lit("tie"))
        .when(pl.col("share") < threshold)
        .then(pl.lit("below_threshold"))
        .otherwise(pl.lit("ok"))
    )
    counted = (
        answers.lazy()
        .select(pl.col("query_id").unique())
        .join(winners, on="query_id", how="left")
        .with_columns(pl.col("votes").fill_null(0), pl.lit(m, dtype=pl.Int32).alias("m"))
        .sort("query_id")
        .collect()
    )
    # By numpy: polars multiplies by 1 / m, which may fall short of a threshold that votes / m meets.
    return (
        counted.with_columns(pl.Series("share", counted["votes"].to_numpy() / m))
        .with_columns(reason.alias("reason"))
        .with_columns(pl.when(pl.col("reason") == "ok").then("label").alias("label"))
        .select("query_id", "label", "share", "votes", "m", "reason")
    )


def count_votes(answers: Iterable[pl.DataFrame], voting: Vote) -> pl.DataFrame:
    """Vote over answers; returns `LABELS`, a row per sampled query.

    `answers`: query_id, sample_id, answer, temperature, round, in parts that hold whole queries, sorted.
    Raises UserError when no query has m samples to vote.
    """
    m, voters = voting.m, voting.voters
    labels, most = [pl.DataFrame(schema=LABELS)], Counter[int]()
    for part in answers:
        chosen = choose_voters(part, m, voters)
        last = part.group_by("query_id").agg(pl.col("round").max())
        sizes = chosen.group_by("query_id").len().join(last, on="query_id")
        most |= Counter(dict(sizes.group_by("round").agg(pl.col("len").max()).iter_rows()))
        labels.append(vote(part.join(chosen, on=["query_id", "sample_id"], how="semi"), m, voting.threshold))
    # A round that cannot fill a vote is a setting gone wrong, not doubt.
    for number, size in sorted(most.items()):
        if size < m:
            raise UserError(
                f"queries whose last round is {number} have at most {size} samples to vote ({voters}) and m "
                f"is {m}; lower m to {size}, sample more, or let all rounds vote"
            )
    return pl.concat(labels)
