"""Reading whole columns: the common forms in bulk by polars expressions, the rest one by one."""

import re

import polars as pl

from scripts.lib.tasks.readers import check_task, read_answer
from scripts.lib.tasks.reading.text import STOP_WORDS

_NUMBER = r"(-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,12})?)"
_PLAIN_NUMBER = rf"[.!?)]\s*The answer is {_NUMBER} ?\.\s*$"
_HASH_NUMBER = rf"\n#### {_NUMBER}\s*$"
_PLAIN_LETTER = r"[.!?)]\s*The answer is \(([A-J])\)\.\s*$"
_TAIL = 80
_STOPS = "|".join(map(re.escape, STOP_WORDS))
"""An alternation of literals: eight times as fast here as `contains_any`."""


def read_answers(
    task: str,
    completions: pl.Series,
    finish_reasons: pl.Series | None = None,
    options: pl.Series | None = None,
) -> pl.DataFrame:
    """The answers of a column of responses: columns `answer` (canonical text or null) and `status`, in the same order.

    Rows that end in a plain "The answer is N.", "#### N" or "The answer is (C)." and hold no stop string are read by
    expressions, the others by `read_answer`; both give the same. `options`: a list of option texts a row (mmlu_pro). A
    null completion has no answer. Raises UserError for an unknown task.
    """
    check_task(task)
    table = pl.DataFrame({"text": completions.cast(pl.String)}).with_columns(
        (finish_reasons if finish_reasons is not None else pl.lit("stop")).alias("reason"),
        (options if options is not None else pl.lit(None, dtype=pl.List(pl.String))).alias("options"),
    )
    table = _common(task, table).with_columns(
        pl.when(pl.col("answer").is_not_null()).then(pl.lit("ok")).alias("status")
    )
    odd = table["answer"].is_null()
    if not odd.any():
        return table.select("answer", "status")
    rows = table.filter(odd)
    read = [
        read_answer(task, text or "", given or (), reason or "stop")
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


def _common(task: str, table: pl.DataFrame) -> pl.DataFrame:
    """The table with a column `answer`: the canonical answer of responses in the task's commonest form, null for others.

    One column a step: polars evaluates an expression anew wherever it occurs.
    """
    tail, answer, options = pl.col("text").str.tail(_TAIL), pl.col("answer"), pl.col("options")
    if task in ("gsm8k", "gsm_plus"):
        whole = ~pl.col("reason").is_in(["length", "content_filter"]).fill_null(False)
        table = table.with_columns(tail.str.extract(_PLAIN_NUMBER).alias("answer"))
        if table["answer"].has_nulls():
            hashed = pl.when(whole & answer.is_null()).then(tail).str.extract(_HASH_NUMBER)
            table = table.with_columns(pl.coalesce(answer, hashed).alias("answer"))
        table = _canonical(table)
    elif task == "mmlu_pro":
        table = table.with_columns(tail.str.extract(_PLAIN_LETTER).alias("answer"))
        known = options.list.len().fill_null(0)
        exists = answer.str.to_integer(base=36, strict=False) - 10 < pl.when(known > 0).then(known).otherwise(
            10
        )
        table = table.with_columns(pl.when(exists).then(answer).alias("answer"))
    else:
        return table.with_columns(pl.lit(None, dtype=pl.String).alias("answer"))
    return table.with_columns(pl.when(~pl.col("text").str.contains(_STOPS)).then(answer).alias("answer"))


def _canonical(table: pl.DataFrame) -> pl.DataFrame:
    """The plain decimals of the column `answer` in canonical text, as `quantity.canonical` writes it."""
    number, digits = pl.col("answer"), pl.col("digits")
    table = table.with_columns(number.str.replace_all(",", "", literal=True))
    whole = number.str.strip_chars_end("0").str.strip_chars_end(".")
    table = table.with_columns(pl.when(number.str.contains(".", literal=True)).then(whole).otherwise(number))
    table = table.with_columns(number.str.strip_prefix("-").str.strip_chars_start("0").alias("digits"))
    bare = (digits == "") | digits.str.starts_with(".")
    table = table.with_columns(pl.when(bare).then("0" + digits).otherwise(digits).alias("digits"))
    negative = number.str.starts_with("-") & (digits != "0")
    return table.with_columns(pl.when(negative).then("-" + digits).otherwise(digits).alias("answer"))
