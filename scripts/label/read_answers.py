"""Read the answer that each completion states, once for all that ask: samples, queries -> answers."""

import sys
from pathlib import Path

from scripts.lib.data.tables import ANSWERS, write
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import answers_of


def main(
    samples: Path, task: str, output: Path, queries: Path | None = None, known: tuple[Path, ...] = ()
) -> None:
    """Read the answers of a samples file.

    Args:
        samples: The completions.
        task: How answers are read.
        output: The answers, one row per sample.
        queries: The questions, for their options (multiple choice).
        known: Answers read before; what is the same as one of them is written as it is there.
    """
    answers = answers_of(samples, task, queries, known)
    write(answers, output, ANSWERS)
    counts = ", ".join(
        f"{count} {status}" for status, count in answers["status"].value_counts().sort("status").rows()
    )
    print(f"{answers.height} samples read ({counts})", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
