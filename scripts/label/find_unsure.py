"""Find the queries on which the teacher's samples disagree: samples -> ids to sample again (App. C)."""

import sys
from pathlib import Path

import polars as pl

from scripts.label.label import count_votes
from scripts.lib.data.tables import IDS, write
from scripts.lib.process.cli import cli


def main(
    samples: list[Path],
    task: str,
    output: Path,
    m: int = 10,
    below: float = 0.7,
    queries: Path | None = None,
) -> None:
    """Write the queries whose vote has no winner or a share below a limit.

    Args:
        samples: Samples of the first round.
        task: How answers are read.
        output: The ids.
        m: Voters a query.
        below: Shares under this are unsure.
        queries: The questions, for their options (multiple choice).
    """
    votes = count_votes(samples, task, m, below, "all_rounds", queries)
    unsure = votes.filter(pl.col("reason") != "ok")
    write(unsure, output, IDS)
    print(f"{unsure.height} of {votes.height} queries are unsure", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
