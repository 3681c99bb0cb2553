"""Grade samples by the label: answers, labels -> grades (the scores of Eq. 2 and 4)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from scripts.lib.data.tables import GRADES, LABELS, read, write_sorted
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import answers_in_lots


def grade(answers: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Score 1.0 where the answer is the label and 0.0 where it is not, or where there is none; null where a
    server refused to answer: no pair has it for its worse side.

    `answers`: query_id, sample_id, answer, status; `labels`: query_id, label. Returns `GRADES` columns for
    the samples of labelled queries.
    """
    return (
        answers.join(labels.drop_nulls("label"), on="query_id", maintain_order="left")
        .with_columns(
            pl.when(pl.col("status") != "refused")
            .then((pl.col("answer") == pl.col("label")).fill_null(False).cast(pl.Float64))
            .alias("score")
        )
        .select("query_id", "sample_id", "answer", "status", "score")
    )


def main(
    answers: list[Path],
    labels: Path,
    output: Path,
) -> None:
    """Grade samples of a teacher or a student by the labels.

    Args:
        answers: The answers of its samples, one file per round.
        labels: Pseudo-labels; only queries that have one are graded.
        output: The grades.
    """
    columns = {name: LABELS[name] for name in ("query_id", "label")}
    labelled = read(labels, columns).drop_nulls("label")
    good, height = 0, 0

    def graded() -> Iterator[pl.DataFrame]:
        nonlocal good, height
        for lot in answers_in_lots(answers, "answer", "status"):
            grades = grade(lot, labelled)
            good, height = good + int(grades["score"].sum()), height + grades.height
            yield grades

    write_sorted(graded(), output, GRADES)
    print(f"{good} of {height} samples of {labelled.height} labelled queries are good", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
