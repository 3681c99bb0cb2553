"""Find the queries on which the teacher's samples disagree: samples -> ids to sample again (App. C)."""

import sys
from pathlib import Path

import polars as pl

from scripts.lib.data.tables import IDS, write
from scripts.lib.labels.settings import Vote
from scripts.lib.labels.votes import count_votes
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import answers_of


def main(
    samples: Path,
    task: str,
    output: Path,
    m: int = 10,
    below: float = 0.7,
    queries: Path | None = None,
) -> None:
    """Write the queries whose vote has no winner or a share below a limit.

    It reads the samples itself: a mended reader makes the answers anew, and who is asked again must stand.

    Args:
        samples: Samples of the first round.
        task: How answers are read.
        output: The ids.
        m: Voters per query.
        below: Shares under this are unsure.
        queries: The questions, for their options (multiple choice).
    """
    said = answers_of(samples, task, queries)
    votes = count_votes(said, Vote(m=m, threshold=below, voters="all_rounds"))
    unsure = votes.filter(pl.col("reason") != "ok")
    write(unsure, output, IDS)
    print(f"{unsure.height} of {votes.height} queries are unsure", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
