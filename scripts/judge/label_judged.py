"""Label the queries of an open-ended data set: the teacher's judged samples -> which queries it answers with
the best score.

There is no answer to agree on: the label of a query that enters D_TeachCan (Eq. 2) is "valid", what every
valid response reads as, so that Eq. 10's consistency check lowers nothing and Eq. 11 is left.
"""

import sys
from pathlib import Path

import polars as pl

from scripts.lib.data.tables import GRADES, IDS, LABELS, QUERIES, read, write
from scripts.lib.process.cli import cli
from scripts.lib.tasks.open import VALID


def label(grades: pl.DataFrame, queries: pl.DataFrame, best_score: float) -> pl.DataFrame:
    """`LABELS`: votes are the samples of the best score, m the samples that have a score.

    reason: ok, below_threshold (none has the best score) or no_answer (no sample has a score).
    """
    scored = grades.drop_nulls("score").group_by("query_id")
    counts = scored.agg(
        (pl.col("score") == best_score).sum().cast(pl.Int32).alias("votes"),
        pl.len().cast(pl.Int32).alias("m"),
    )
    table = (
        queries.select("query_id")
        .join(counts, on="query_id", how="left")
        .with_columns(pl.col("votes", "m").fill_null(0))
    )
    reason = (
        pl.when(pl.col("m") == 0)
        .then(pl.lit("no_answer"))
        .when(pl.col("votes") == 0)
        .then(pl.lit("below_threshold"))
        .otherwise(pl.lit("ok"))
    )
    share = pl.when(pl.col("m") > 0).then(pl.col("votes") / pl.col("m")).otherwise(0.0)
    return table.with_columns(reason.alias("reason"), share.alias("share")).with_columns(
        pl.when(pl.col("reason") == "ok").then(pl.lit(VALID)).alias("label")
    )


def main(grades: Path, queries: Path, output: Path, labelled: Path, best_score: float = 5.0) -> None:
    """Label the queries of which the teacher has an answer of the best score.

    Args:
        grades: Grades of the teacher's samples.
        queries: The questions.
        output: The labels.
        labelled: The ids of the queries that have one.
        best_score: l*.
    """
    table = label(read(grades, GRADES), read(queries, QUERIES), best_score)
    write(table, output, LABELS)
    kept = table.drop_nulls("label").select("query_id")
    write(kept, labelled, IDS)
    print(f"{kept.height} of {table.height} queries have an answer of the best score", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
