"""Label queries by the teacher's majority vote: answers -> labels (Eq. 1)."""

import sys
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from scripts.lib.data.tables import IDS, LABELS, write
from scripts.lib.labels.settings import Vote
from scripts.lib.labels.votes import count_votes
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import gather


def main(
    answers: list[Path],
    output: Path,
    voting: OmitArgPrefixes[Vote],
    labelled: Path | None = None,
) -> None:
    """Label queries by majority vote (Eq. 1).

    Args:
        answers: The answers of the teacher's samples, one file per round.
        output: The labels.
        voting: Who votes, and when a vote gives a label.
        labelled: The ids of the queries that have a label.
    """
    labels = count_votes(gather(answers, "answer", "temperature", "round"), voting)
    write(labels, output, LABELS)
    if labelled is not None:
        write(labels.drop_nulls("label"), labelled, IDS)
    reasons = dict(labels["reason"].value_counts().sort("reason").iter_rows())
    kept = reasons.get("ok", 0)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    print(f"{kept} of {labels.height} queries have a label ({counts})", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
