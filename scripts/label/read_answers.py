"""Read the answer that each completion states, once for all that ask: samples, queries -> answers."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from scripts.lib.data.tables import ANSWERS, write_sorted
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
    counts = Counter[str]()

    def counted() -> Iterator[pl.DataFrame]:
        for part in answers_of(samples, task, queries, known):
            counts.update(dict(part["status"].value_counts().iter_rows()))
            yield part

    write_sorted(counted(), output, ANSWERS)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"{counts.total()} samples read ({told})", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
