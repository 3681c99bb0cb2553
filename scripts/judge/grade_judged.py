"""Grade samples by what the judge said: links, judgements -> grades from 0 to 5 (Eq. 2 and 4)."""

import sys
from pathlib import Path
from typing import Literal

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import GRADES, REQUESTS, SAMPLES, read, write
from scripts.lib.labels.judging import combine, grades, read_scores
from scripts.lib.process.cli import cli


def main(
    links: Path,
    judgements: Path,
    output: Path,
    summary: Path,
    combine_by: Literal["mean", "vote"] = "mean",
) -> None:
    """Read the judge's scores and give each sample its own.

    Args:
        links: Which request judges which sample, as `scripts.judge.judge` says.
        judgements: What it sampled.
        output: The grades of all samples; null where no score could be read.
        summary: Counts of scores and of what is missing, and why, as JSON.
        combine_by: mean of several judgements, or vote: the most frequent score.
    """
    columns = ("query_id", "sample_id", "completion", "finish_reason")
    scores = read_scores(read(judgements, {name: SAMPLES[name] for name in columns}))
    table = grades(read(links, REQUESTS), combine(scores, combine_by))
    write(table, output, GRADES)
    counts = {
        "samples": table.height,
        "not_valid": table["answer"].null_count(),
        "unscored": table.filter(pl.col("status") == "unscored").height,
        "scores": {
            f"{score:g}": n
            for score, n in table["score"].drop_nulls().value_counts().sort("score").iter_rows()
        },
        "judgements": scores.height,
        "judgements_by_status": dict(scores["status"].value_counts().sort("status").iter_rows()),
    }
    write_json(counts, summary)
    best = table.filter(pl.col("score") == 5).height
    print(
        f"{best} of {table.height} samples have the best score, {counts['unscored']} have none",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli(main)
