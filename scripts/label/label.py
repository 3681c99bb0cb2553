"""Label queries by the teacher's majority vote: answers -> labels (Eq. 1)."""

import sys
from pathlib import Path

from scripts.lib.data.tables import IDS, LABELS, write
from scripts.lib.labels.votes import Voters, count_votes
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import gather


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
