"""Take completions that already exist as a teacher's or a student's samples: files -> store -> samples.

Several files, each with its model's name, make one teacher of several models.
"""

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl

from scripts.lib.data.files import digest, write_json
from scripts.lib.data.sources import id_of, read_rows
from scripts.lib.data.tables import SAMPLES, write
from scripts.lib.errors import UserError, shown
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.models.thoughts import split_thought
from scripts.lib.process.cli import cli
from scripts.lib.samples.draws import SPENT, select
from scripts.lib.samples.settings import Import
from scripts.lib.samples.store import KEY, ROWS, Partition, Store, prompt_key

FOUND = {
    "id": pl.String(),
    "completion": pl.String(),
    "finish_reason": pl.String(),
    "temperature": pl.Float64(),
    "index": pl.Int32(),
    "num_tokens": pl.Int32(),
    "reasoning": pl.String(),
}
"""A file's completions, one per row; `id` is a query id, or a question where the file has none;
null where not told."""
REASONS = ("stop", "length", "content_filter")
COUNTS = ("requested", "unknown_query", "empty", "repeated", "taken")
"""Rows of a file: all, of other queries, without a text, one more copy of a greedy completion, and those that
are samples now."""
QUESTION = "question"


def main(
    queries: Path,
    input: tuple[Path, ...],
    model: tuple[str, ...],
    temperature: tuple[float, ...],
    prompt: Path,
    max_tokens: int,
    output: Path,
    ledger: Path,
    store: Path = Path("store"),
    id_column: tuple[str, ...] = ("query_id",),
    completion_column: tuple[str, ...] = ("completion",),
) -> None:
    """Check completions against the queries and write them as samples of round 1.

    A file is JSONL (may be gzipped) or Parquet, a row per completion or a list of them. Read where present,
    too: finish_reason (else stop), temperature (else the flag), sample_id (else the order in the file),
    num_tokens (else 0), reasoning or reasoning_content (the thought before the completion). A completion that
    begins with a thought is taken apart (`models/thoughts.py`); one that ends within it was cut off, unless
    finish_reason says otherwise. Rows of other queries and empty texts are dropped and counted, and so are
    copies of a query's text at temperature 0: greedy decoding knows one answer, and one completion votes
    once.
    `sample_id` counts over the files as given.

    Args:
        queries: The questions (QUERIES).
        input: Files of completions.
        model: Who wrote them, one name a file.
        temperature: At which, one per file.
        prompt: Template of config/prompts that comes nearest to what the models were shown.
        max_tokens: Longest completion they were allowed.
        output: The samples (SAMPLES).
        ledger: What was taken and dropped, as JSON.
        store: The sample store.
        id_column: One a file: query ids, or the questions themselves when it is "question".
        completion_column: One a file: the text, or a list of texts.
    """
    began = time.monotonic()
    files = [
        Import(path=path, model=name, temperature=warmth, id_column=ids, completion_column=texts)
        for path, name, warmth, ids, texts in zip(
            input,
            _one_each("model", model, input),
            _one_each("temperature", temperature, input),
            _one_each("id-column", id_column, input),
            _one_each("completion-column", completion_column, input),
            strict=True,
        )
    ]
    questions = keyed(select(queries, None), prompt)
    key = {"prompt": str(prompt.name), "max_tokens": max_tokens}
    taken = [take(file, questions, Store(store), key) for file in files]
    samples = numbered([table for table, _ in taken])
    without = questions.height - samples["query_id"].n_unique()
    print(f"{samples.height} samples; {without} of {questions.height} queries have none", file=sys.stderr)
    write(samples, output, SAMPLES)
    counts = {name: sum(each[name] for _, each in taken) for name in COUNTS}
    told = {"engine": "import", "model": ", ".join(sorted(set(model)))} | counts
    spent = dict.fromkeys(SPENT, 0) | {"reused": counts["taken"]}
    seconds = round(time.monotonic() - began, 1)
    write_json(told | spent | {"seconds": seconds, "versions": {}}, ledger)


def _one_each(flag: str, values: tuple, files: tuple) -> tuple:
    if len(values) not in (1, len(files)):
        raise UserError(
            f"--{flag} has {len(values)} values for {len(files)} files; give one, or one per file"
        )
    return values * len(files) if len(values) == 1 else values


def keyed(questions: pl.DataFrame, prompt: Path) -> pl.DataFrame:
    """The questions with their `prompt`, and its key in the store: of an import a query's own."""
    template = PromptTemplate(prompt, False)
    texts = [template.text(*row) for row in questions.select("question", "options", "shots").iter_rows()]
    keys = [
        prompt_key("import", f"{name}\0{text}")
        for name, text in zip(questions["query_id"], texts, strict=True)
    ]
    return questions.with_columns(prompt=pl.Series(texts), prompt_key=pl.Series(keys))


def take(
    file: Import, questions: pl.DataFrame, store: Store, key: Mapping[str, object]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Put a file's completions into the store.

    Returns them as samples (SAMPLES without their ids), and what was taken and dropped (COUNTS).
    """
    found = read_file(file.path, file.id_column, file.completion_column)
    rows, counts = check(found, questions, file.id_column, file.temperature, file.path)
    partition = store.partition(f"import:{file.model}@sha256:{digest(file.path)}", key)
    partition.add(fresh(rows.select(list(ROWS)), partition))
    samples = stored(rows.select("query_id", *KEY), partition)
    told = ", ".join(f"{value} {name}" for name, value in counts.items())
    print(f"{file.path} ({file.model}): {told}", file=sys.stderr)
    return samples, counts


def numbered(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The samples of all files, `sample_id` counting over the files as given, then temperature and index."""
    every = pl.concat(
        table.sort("query_id", "temperature", "index").with_columns(file=pl.lit(number))
        for number, table in enumerate(tables)
    ).sort("query_id", "file", maintain_order=True)
    return every.with_columns(sample_id=pl.int_range(pl.len(), dtype=pl.Int32).over("query_id"))


def read_file(path: Path, id_column: str, completion_column: str) -> pl.DataFrame:
    """A file's completions (FOUND), lists flattened. Raises UserError for a damaged file, a missing column,
    a wrong value."""
    if not path.is_file():
        raise UserError(f"{path} does not exist or is no file; name a JSONL or Parquet file of completions")
    table: list[tuple] = []
    for row_number, row in enumerate(read_rows(path)[0], start=1):
        try:
            table += _completions(row, id_column, completion_column)
        except UserError as error:
            raise UserError(f"{path}, row {row_number}: {error}") from None
    return pl.DataFrame(table, schema=FOUND, orient="row")


def _completions(row: Mapping[str, Any], id_column: str, completion_column: str) -> Iterator[tuple]:
    """The completions of a row, as FOUND has them. Raises UserError without the row's place."""
    missing = [name for name in (id_column, completion_column) if name not in row]
    if missing:
        raise UserError(
            f"no column {missing[0]!r} among {', '.join(map(repr, row))}; "
            "set --id-column and --completion-column"
        )
    try:
        name = id_of(row[id_column])
    except UserError as error:
        raise UserError(f"the id ({id_column}) {error}") from None
    texts = row[completion_column]
    for number, text in enumerate(texts if isinstance(texts, list) else [texts]):
        if text is not None and not isinstance(text, str):
            raise UserError(f"{completion_column!r} holds {shown(text)}; a completion is a text")
        parts = split_thought(text or "")
        beside = _of(row.get("reasoning") or row.get("reasoning_content"), number)
        thoughts = [beside.strip() if isinstance(beside, str) else "", parts.reasoning]
        reason = _of(row.get("finish_reason"), number) or ("stop" if parts.closed else "length")
        if reason not in REASONS:
            raise UserError(f"finish_reason {shown(reason)} is none of {', '.join(REASONS)}")
        index = row.get("sample_id")
        if isinstance(texts, list):
            index = _of(index, number) if isinstance(index, list) else None
        yield (
            name,
            parts.reply,
            reason,
            _heat(_of(row.get("temperature"), number)),
            _whole("sample_id", index),
            _whole("num_tokens", _of(row.get("num_tokens"), number)) or 0,
            "\n\n".join(filter(None, thoughts)) or None,
        )


def _heat(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise UserError(f"temperature is {shown(value)}; it must be a number from 0, or missing")


def _whole(name: str, value: object) -> int | None:
    """A whole number, as a table of numbers may hold it, too: 3.0. Raises UserError for another value."""
    if value is None:
        return None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if whole and 0 <= (number := int(cast("float", value))) < 2**31:
        return number
    raise UserError(f"{name} is {shown(value)}; it must be a whole number from 0 to {2**31 - 1}, or missing")


def _of(value: object, number: int) -> object:
    if isinstance(value, list):
        return value[number] if number < len(value) else None
    return value


def check(
    found: pl.DataFrame, questions: pl.DataFrame, id_column: str, temperature: float, path: Path
) -> tuple[pl.DataFrame, dict[str, int]]:
    """A file's completions (FOUND) joined with the questions (and their prompt, prompt_key), and what was
    dropped.

    Returns query_id with ROWS; the counts of COUNTS. Raises UserError when no query is known or an index
    appears twice.
    """
    key = QUESTION if id_column == QUESTION else "query_id"
    ids = questions.select(pl.col(key).alias("id"), "query_id", "prompt", "prompt_key")
    if key == QUESTION:
        trim = pl.col("id").str.strip_chars().str.replace_all(r"\s+", " ")
        ids, found = ids.with_columns(trim), found.with_columns(trim)
    known = found.with_columns(order=pl.int_range(pl.len())).join(ids, on="id", how="inner").sort("order")
    rows = found.join(ids, on="id", how="semi").height
    if found.height and not rows:
        raise UserError(
            f"{path}: none of its {found.height} rows is of a known query (it says {found['id'][0]!r}, "
            f"the queries say {ids['id'][0]!r}); set --id-column, or 'question' to match by text"
        )
    cut_off = pl.col("reasoning").is_not_null() & (pl.col("finish_reason") == "length")
    full = known.filter((pl.col("completion").str.strip_chars() != "") | cut_off)
    full = full.with_columns(pl.col("temperature").fill_null(temperature) + 0.0)
    by = ["query_id", "temperature"]
    full = full.with_columns(
        pl.col("index").fill_null(pl.int_range(pl.len(), dtype=pl.Int32).over(by)),
        prompt_tokens=pl.lit(0),
        engine=pl.lit("import"),
        reasoning_tokens=pl.lit(None, pl.Int32),
    )
    twice = full.filter(pl.struct(*by, "index").is_duplicated())
    if twice.height:
        raise UserError(
            f"{path}: query {twice['query_id'][0]!r} has sample_id {twice['index'][0]} twice at temperature "
            f"{twice['temperature'][0]}; number the completions of a query, or leave sample_id out"
        )
    once = (pl.col("temperature") > 0) | pl.struct(*by, "completion").is_first_distinct()
    kept = full.filter(once)
    counts = {
        "requested": found.height,
        "unknown_query": found.height - rows,
        "empty": known.height - full.height,
        "repeated": full.height - kept.height,
        "taken": kept.height,
    }
    return kept.select("query_id", *ROWS), counts


def stored(wanted: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    """The samples of round 1 that are `wanted` (query_id and KEY), from the store. Raises UserError when it
    lacks some."""
    samples = wanted.join(partition.find(wanted), on=list(KEY))
    if samples.height < wanted.height:
        raise UserError(
            f"{wanted.height - samples.height} completions are missing from {partition.folder}; another "
            "process may have damaged it, run again"
        )
    return samples.with_columns(round=pl.lit(1, pl.Int32))


def fresh(rows: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    """Of rows (ROWS) those that the store lacks."""
    return rows.join(partition.find(rows, texts=False), on=list(KEY), how="anti")


if __name__ == "__main__":
    cli(main)
