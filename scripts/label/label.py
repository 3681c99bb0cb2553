"""Label queries by the teacher's majority vote: answers -> labels (Eq. 1)."""

import sys
from pathlib import Path

import polars as pl

from scripts.lib.data.tables import IDS, LABELS, write
from scripts.lib.errors import UserError
from scripts.lib.labels.votes import Voters, choose_voters, vote
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import gather


def count_votes(answers: pl.DataFrame, m: int, threshold: float, voters: Voters) -> pl.DataFrame:
    """Vote over answers; returns `LABELS`, a row per sampled query.

    `answers`: query_id, sample_id, answer, temperature, round. Raises UserError when m or threshold is out of
    range, or when no query has m samples to vote.
    """
    if m < 1:
        raise UserError(f"m is {m}; a vote needs at least 1 voter")
    if not 0 < threshold <= 1:
        raise UserError(f"threshold is {threshold}; it is a share of the votes, above 0 and at most 1")
    chosen = choose_voters(answers, m, voters)
    # A round that cannot fill a vote is a setting gone wrong, not doubt.
    last = answers.group_by("query_id").agg(pl.col("round").max())
    sizes = (
        chosen.group_by("query_id").len().join(last, on="query_id").group_by("round").agg(pl.col("len").max())
    )
    for number, most in sizes.sort("round").select("round", "len").iter_rows():
        if most < m:
            raise UserError(
                f"queries whose last round is {number} have at most {most} samples to vote ({voters}) and m is {m}; "
                f"lower m to {most}, sample more, or let all rounds vote"
            )
    return vote(answers.join(chosen, on=["query_id", "sample_id"], how="semi"), m, threshold)


def main(
    answers: list[Path],
    output: Path,
    labelled: Path | None = None,
    m: int = 10,
    threshold: float = 0.7,
    voters: Voters = "last_round",
) -> None:
    """Label queries by majority vote (Eq. 1).

    Args:
        answers: The answers of the teacher's samples, one file per round.
        output: The labels.
        labelled: The ids of the queries that have a label.
        m: Voters per query, spread over the temperatures; a missing sample counts as an abstention.
        threshold: Smallest share of the m votes that gives a label.
        voters: Which samples may vote: those of a query's last round, or all.
    """
    labels = count_votes(gather(answers, "answer", "temperature", "round"), m, threshold, voters)
    write(labels, output, LABELS)
    if labelled is not None:
        write(labels.drop_nulls("label"), labelled, IDS)
    reasons = dict(labels["reason"].value_counts().sort("reason").iter_rows())
    kept = reasons.get("ok", 0)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    print(f"{kept} of {labels.height} queries have a label ({counts})", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
