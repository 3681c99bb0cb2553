"""Where one variant wins and loses against another: their paired difference by kind of question."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from scripts.lib.data import tables
from scripts.lib.evaluation.intervals import Comparison, compare, gains
from scripts.lib.report.numbers.results import Scoreboard, by_question, place
from scripts.lib.report.study import Evaluation, Study

MOST = 20
"""Categories that are told apart; a column of more is no category but a split's group."""


@dataclass(frozen=True)
class Kind:
    """Questions of a kind: `of` what it divides by, the accuracies of both variants, and the difference."""

    of: str
    name: str
    first: float
    second: float
    difference: Comparison


def kinds(study: Study, board: Scoreboard, variant: str = "ours") -> list[Kind]:
    """`variant` against the board's baseline by what DIVISIONS names.

    Kinds share questions, so their intervals are no independent tests. What does not divide is left out.
    """
    scores = by_question(study)[board.place]
    first, second = (scores.filter(pl.col("variant") == each) for each in (variant, board.baseline))
    both = gains(first, second).join(_questions(study, board), on=["seed", "query_id"])
    for side, each in (("first", first), ("second", second)):
        correct = pl.col("correct").cast(pl.Float64).alias(side)
        both = both.join(each.select("seed", "query_id", correct), on=["seed", "query_id"])
    found = []
    for column, of in DIVISIONS.items():
        parts = _parts(both, column)
        for name, rows in parts if len(parts) > 1 else []:
            found.append(Kind(of, name, _mean(rows, "first"), _mean(rows, "second"), compare(rows)))
    return found


def _mean(rows: pl.DataFrame, column: str) -> float:
    """The mean over runs of the mean over questions, as `compare` takes it."""
    runs = rows.group_by("seed").agg(pl.col(column).mean())[column].to_list()
    return sum(runs) / len(runs)


DIVISIONS = {
    "by_seed": "Seed",
    "group": "Category",
    "words": "Words of the question",
    "sentences": "Sentences of the teacher's response",
    "teacher": "The teacher's own answer",
    "votes": "Votes of a student for the right answer",
}


def _questions(study: Study, board: Scoreboard) -> pl.DataFrame:
    """What kind each question is of: seed, query_id and the columns of DIVISIONS (null: not known)."""
    runs = [run for run in study.evaluations if place(run) == board.place]
    seeds = {run.seed for run in runs}
    parts = []
    for asked in study.questions:
        if asked.benchmark == board.benchmark and asked.seed in seeds:
            words = pl.col("question").str.count_matches(r"\S+").alias("words")
            table = tables.read(asked.queries, tables.QUERIES).select("query_id", "group", words)
            seed = pl.lit(asked.seed, dtype=pl.Int32).alias("seed")
            parts.append(table.with_columns(seed, pl.lit(str(asked.seed)).alias("by_seed")))
    teacher = _teacher([run for run in runs if run.variant == "teacher"])
    names = ["seed", "query_id"]
    known = pl.concat(parts).join(teacher, on=names, how="left")
    return known.join(_votes(runs), on=names, how="left")


def _votes(runs: Sequence[Evaluation]) -> pl.DataFrame:
    """How many of the answers to each question are right, by the first variant that answers repeatedly."""
    parts = [pl.DataFrame(schema={"query_id": pl.String(), "votes": pl.Int32(), "seed": pl.Int32()})]
    files = {run.seed: run.growth for run in reversed(runs) if run.growth}
    for seed, file in files.items():
        growth = tables.read(file, tables.GROWTH).filter(rule="mean")
        votes = (pl.col("correct") * pl.col("n")).round().cast(pl.Int32).alias("votes")
        found = growth.filter(pl.col("n") == pl.col("n").max()).select("query_id", votes)
        parts.append(found.with_columns(seed=pl.lit(seed, dtype=pl.Int32)))
    return pl.concat(parts)


def _teacher(runs: Sequence[Evaluation]) -> pl.DataFrame:
    """Of the teacher's first response to each question: its sentences, and whether it is right."""
    columns = {"query_id": pl.String(), "sentences": pl.UInt32(), "teacher": pl.String(), "seed": pl.Int32()}
    parts = [pl.DataFrame(schema=columns)]
    for run in runs:
        sentences = pl.col("completion").str.count_matches(r"[.!?。](\s|$)|\n+").alias("sentences")
        texts = tables.scan(run.samples, tables.SAMPLES).filter(pl.col("sample_id") == 0)
        verdict = pl.when("correct").then(pl.lit("right")).otherwise(pl.lit("wrong")).alias("teacher")
        scores = tables.read(run.scores, tables.SCORES).filter(pl.col("sample_id") == 0)
        found = (
            texts.select("query_id", sentences)
            .collect()
            .join(scores.select("query_id", verdict), on="query_id")
        )
        parts.append(found.with_columns(pl.lit(run.seed, dtype=pl.Int32).alias("seed")))
    return pl.concat(parts)


def _parts(rows: pl.DataFrame, column: str) -> list[tuple[str, pl.DataFrame]]:
    """The rows by what a column says of them: its words in order, or its numbers in thirds."""
    known = rows.drop_nulls(column)
    if known.schema[column] == pl.String():
        words = known[column].unique().sort()
        return [(str(word), known.filter(pl.col(column) == word)) for word in words if len(words) <= MOST]
    if known.is_empty():
        return []
    ends = [known[column].quantile(share, "lower") for share in (1 / 3, 2 / 3, 1)]
    found, low = [], int(known.select(pl.col(column).min()).item())
    for high in sorted({int(end) for end in ends if end is not None}):
        name = f"{low} to {high}" if low < high else f"{high}"
        found.append((name, known.filter(pl.col(column).is_between(low, high))))
        low = high + 1
    return found
