"""Label queries by the teacher's majority vote: answers -> labels (Eq. 1).

For studies of what labels are worth: by the golds instead, or with so many of them wrong.
"""

import sys
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from scripts.lib.data.tables import GOLDS, IDS, LABELS, read, write
from scripts.lib.errors import UserError
from scripts.lib.labels.known import by_golds, disturbed
from scripts.lib.labels.settings import Vote
from scripts.lib.labels.votes import count_votes
from scripts.lib.process.alarms import Alarms, of_labels, sound
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import answers_in_lots, gather


def main(
    answers: list[Path],
    output: Path,
    voting: OmitArgPrefixes[Vote],
    labelled: Path | None = None,
    golds: Path | None = None,
    task: str | None = None,
    alarms: Alarms = Alarms(),  # noqa: B008
) -> None:
    """Label queries by majority vote (Eq. 1).

    Args:
        answers: The answers of the teacher's samples, one file per round.
        output: The labels.
        voting: Who votes, and when a vote gives a label.
        labelled: The ids of the queries that have a label.
        golds: The queries' GOLDS, for --by golds.
        task: How golds are compared with answers, for --by golds.
        alarms: When so few have one that something is wrong.
    """
    labels = count_votes(answers_in_lots(answers, "answer", "temperature", "round"), voting)
    if voting.by == "golds":
        if golds is None or task is None:
            raise UserError("--by golds needs --golds and --task")
        labels = by_golds(labels, read(golds, GOLDS), gather(answers, "answer"), task)
    if voting.noise:
        labels = disturbed(labels, gather(answers, "answer"), voting.noise)
    reasons = dict(labels["reason"].value_counts().sort("reason").iter_rows())
    kept = reasons.get("ok", 0)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    print(f"{kept} of {labels.height} queries have a label ({counts})", file=sys.stderr)
    sound(alarms, of_labels(alarms, labels["label"].count(), labels.height))
    write(labels, output, LABELS)
    if labelled is not None:
        write(labels.drop_nulls("label"), labelled, IDS)


if __name__ == "__main__":
    cli(main)
