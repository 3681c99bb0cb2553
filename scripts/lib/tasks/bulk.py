"""Reading whole columns: the common forms in bulk by polars expressions, the rest one by one."""

import re
from collections.abc import Callable

import polars as pl

from scripts.lib.models.thoughts import ANALYSIS, HINTS
from scripts.lib.tasks import task_of
from scripts.lib.tasks.reading.text import CODE, REACH, STOP

TAIL = 200
"""Characters at the end of a response in which its common form stands."""
_RAN_ON = f"(?:{STOP})(?s:.)*"
_ODD = (
    "|".join(map(re.escape, HINTS)),
    rf"(?m)\A(?:{ANALYSIS}|[ \t]*(?:{'|'.join(CODE)}))",
    *(rf"(?m)\n[ \t]*(?:{line})" for line in CODE),
)
"""Thoughts, and programs in their first line and in others, which a line end leads to in half the time.
One alternation of all is twenty times slower."""


def read_answers(
    task: str,
    completions: pl.Series,
    finish_reasons: pl.Series | None = None,
    options: pl.Series | None = None,
) -> pl.DataFrame:
    """The answers of a column of responses: columns `answer` (canonical text or null) and `status`,
    in the same order.

    Rows in one of the task's common forms, without a thought or a line of a program, are read by expressions,
    the others one by one; both give the same. `options`: a list of option texts per row (multiple choice). A
    null completion has no answer. Raises UserError for an unknown task.
    """
    family = task_of(task)
    table = pl.DataFrame({"text": completions.cast(pl.String)}).with_columns(
        (finish_reasons if finish_reasons is not None else pl.lit("stop")).alias("reason"),
        (options if options is not None else pl.lit(None, dtype=pl.List(pl.String))).alias("options"),
        pl.lit(None, dtype=pl.String).alias("answer"),
    )
    if family.common:
        table = table.with_columns(_common(family.common, table))
    table = table.with_columns(pl.when(pl.col("answer").is_not_null()).then(pl.lit("ok")).alias("status"))
    odd = table["answer"].is_null()
    if not odd.any():
        return table.select("answer", "status")
    rows = table.filter(odd)
    read = [
        family.read(text or "", given or (), reason or "stop")
        for text, given, reason in zip(rows["text"], rows["options"].to_list(), rows["reason"], strict=True)
    ]
    careful = pl.DataFrame(
        {
            "at": odd.arg_true(),
            "value": pl.Series([answer.value for answer in read], dtype=pl.String),
            "how": pl.Series([answer.status for answer in read], dtype=pl.String),
        }
    )
    result = (
        table.select("answer", "status").with_row_index("at").join(careful, on="at", how="left").sort("at")
    )
    return result.select(
        pl.coalesce("answer", "value").alias("answer"), pl.coalesce("status", "how").alias("status")
    )


def _common(read: Callable[[pl.DataFrame], pl.DataFrame], table: pl.DataFrame) -> pl.Series:
    """The answers of responses in a common form, null for all others."""
    text, cut = pl.col("text"), pl.col("cut")
    table = table.with_columns(
        pl.when(text.str.contains(STOP)).then(text).str.replace(_RAN_ON, "").alias("cut")
    )
    ran_on = (cut.str.len_bytes() < text.str.len_bytes()).fill_null(False)
    whole = ~pl.col("reason").is_in(["length", "content_filter"]).fill_null(False)
    table = table.with_columns(
        pl.coalesce(cut, text).str.tail(TAIL).alias("tail"), (whole | ran_on).alias("whole")
    )
    table = read(table)
    found = pl.when(pl.col("answer").is_not_null()).then(text)
    odd = pl.any_horizontal(found.str.contains(each) for each in _ODD)
    return table.select(
        pl.when(~odd, text.str.len_bytes() <= REACH).then("answer").alias("answer")
    ).to_series()


def read_golds(task: str, golds: pl.Series) -> pl.Series:
    """The canonical values of a column of reference answers. Raises UserError for an unknown task or a wrong
    reference."""
    gold = task_of(task).gold
    return pl.Series(golds.name, [gold(each) for each in golds], dtype=pl.String)


def as_written(task: str, answers: pl.Series, references: pl.Series) -> pl.Series:
    """The answers, each that is the same as the reference beside it written as the reference is:
    then equal texts tell."""
    same = task_of(task).same
    if same is None:
        return answers
    pairs = pl.DataFrame({"answer": answers, "reference": references})
    other = pairs.filter(pl.col("answer") != pl.col("reference")).unique()
    alike = [pair for pair in other.iter_rows() if same(*pair)]
    found = pl.DataFrame(alike, schema=pairs.schema, orient="row").with_columns(found=True)
    joined = pairs.join(found, on=["answer", "reference"], how="left", maintain_order="left")
    return joined.select(
        pl.when("found").then("reference").otherwise("answer").alias(answers.name)
    ).to_series()


def written_alike(task: str, answers: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The table with the same answers to a query written alike, so that votes can count texts.

    `answers`, `known`: query_id, answer; `known` are answers written alike before, in their order.
    An answer is written as the first of the query's known ones that it is the same as,
    else as the commonest of the table's (of equally common ones the first in the alphabet):
    sameness need not be transitive, and the order of rows must not matter.
    """
    same = task_of(task).same
    if same is None:
        return answers
    counted = (
        answers.drop_nulls("answer")
        .group_by("query_id", "answer")
        .len()
        .sort("query_id", "len", "answer", descending=[False, True, False])
    )
    spellings: dict[str, list[str]] = {}
    for query, answer in (
        known.drop_nulls("answer").unique(maintain_order=True).select("query_id", "answer").iter_rows()
    ):
        spellings.setdefault(query, []).append(answer)
    rows = []
    for query, answer in counted.select("query_id", "answer").iter_rows():
        others = spellings.setdefault(query, [])
        spelling = next((other for other in others if other == answer or same(answer, other)), None)
        if spelling is None:
            others.append(answer)
        rows.append((query, answer, spelling or answer))
    written = pl.DataFrame(
        rows, schema={"query_id": pl.String, "answer": pl.String, "spelling": pl.String}, orient="row"
    )
    joined = answers.join(written, on=["query_id", "answer"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("spelling").alias("answer")).drop("spelling")


def golds_like(task: str, golds: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """The references (query_id, answer as the data set writes it) as query_id, gold:
    canonical, and each written as the same answer among the query's `answers` (query_id, answer),
    so that equal texts tell."""
    canonical = golds.select("query_id", read_golds(task, golds["answer"]).alias("answer"))
    return written_alike(task, canonical, answers).rename({"answer": "gold"})


def are_correct(task: str, answers: pl.Series, golds: pl.Series) -> pl.Series:
    """Whether each canonical answer is right, given the reference answer as the data set writes it;
    null never is."""
    known = golds.unique(maintain_order=True)
    wanted = golds.replace_strict(known, read_golds(task, known), return_dtype=pl.String)
    right = (as_written(task, answers, wanted) == wanted).fill_null(False)
    is_close = task_of(task).is_close
    if is_close is None:
        return right.alias("correct")
    rows = zip(right, answers, golds, strict=True)
    close = [same or (answer is not None and is_close(answer, gold)) for same, answer, gold in rows]
    return pl.Series("correct", close, dtype=pl.Boolean)
