"""Reading whole columns: the common forms in bulk by polars expressions, the rest one by one."""

import re

import polars as pl

from scripts.lib.answers.reading import check_task, read_answer
from scripts.lib.answers.text import STOP_WORDS

_PLAIN_NUMBER = r"(?:^|[\s.])The answer is (-?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,12})?) ?\.\s*$"
_PLAIN_LETTER = r"(?:^|[\s.])The answer is \(([A-J])\)\.\s*$"
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

    Rows that end "The answer is N." (or "(C).") and hold no stop string are read by expressions, the others by
    `read_answer`; both give the same. `options`: a list of option texts a row (mmlu_pro). A null completion has no
    answer. Raises UserError for an unknown task.
    """
    check_task(task)
    table = pl.DataFrame({"text": completions.cast(pl.String)}).with_columns(
        (finish_reasons if finish_reasons is not None else pl.lit("stop")).alias("reason"),
        (options if options is not None else pl.lit(None, dtype=pl.List(pl.String))).alias("options"),
    )
    tail = pl.col("text").str.tail(_TAIL)
    runs_on = pl.col("text").str.contains(_STOPS)
    if task in ("gsm8k", "gsm_plus"):
        # One column a step: polars evaluates an expression anew wherever it occurs.
        table = table.with_columns(
            tail.str.extract(_PLAIN_NUMBER).str.replace_all(",", "", literal=True).alias("number")
        )
        number = pl.col("number")
        whole = number.str.strip_chars_end("0").str.strip_chars_end(".")
        table = table.with_columns(
            pl.when(number.str.contains(".", literal=True)).then(whole).otherwise(number).alias("number")
        )
        table = table.with_columns(number.str.strip_prefix("-").str.strip_chars_start("0").alias("digits"))
        digits = pl.col("digits")
        bare = (digits == "") | digits.str.starts_with(".")
        table = table.with_columns(pl.when(bare).then("0" + digits).otherwise(digits).alias("digits"))
        common = pl.when(number.str.starts_with("-") & (digits != "0")).then("-" + digits).otherwise(digits)
    elif task == "mmlu_pro":
        letter = tail.str.extract(_PLAIN_LETTER)
        count = (
            pl.when(pl.col("options").list.len() > 0)
            .then(pl.col("options").list.len())
            .otherwise(10)
            .fill_null(10)
        )
        common = pl.when(letter.str.to_integer(base=36, strict=False) - 10 < count).then(letter)
    else:
        common = pl.lit(None, dtype=pl.String)
    table = table.with_columns(pl.when(~runs_on).then(common).alias("answer")).with_columns(
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
    result = table.select("answer", "status").with_row_index("at").join(careful, on="at", how="left")
    return result.sort("at").select(
        pl.coalesce("answer", "value").alias("answer"), pl.coalesce("status", "how").alias("status")
    )
