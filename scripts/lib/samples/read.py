"""Samples as answers: completions are read a chunk at a time, so that texts never fill the memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from scripts.lib.data.hashing import keys
from scripts.lib.data.tables import ANSWERS, QUERIES, SAMPLES, read, refuse_gaps, scan
from scripts.lib.errors import UserError
from scripts.lib.tasks.bulk import read_answers, written_alike

CHUNK = 20_000
"""Completions in memory at once: a row group of a samples file (`tables.write`)."""
ROWS = 100_000
"""Samples in memory at once where no texts are read."""
IDS = ("query_id", "sample_id")
REFUSED = pl.col("finish_reason").is_in(["content_filter", "unknown"]) | (
    (pl.col("finish_reason") == "length") & (pl.col("num_tokens") == 0)
)
"""Samples that are no answer of the model's own: filtered, to a prompt too long for its server (so no token
came), or ended nobody knows why."""


def answers_of(
    samples: Path, task: str, queries: Path | None = None, known: Sequence[Path] = ()
) -> Iterator[pl.DataFrame]:
    """Read the answer of every completion of a samples file: `ANSWERS`, sorted by the ids, some queries at a
    time.

    `queries` brings the options of multiple-choice questions, which bound the letters that count as answers.
    Answers to a query that are the same are written alike, as in the answers files `known` where they stand
    there. Raises UserError when the file is not a samples table, a cell is empty, or two samples share
    their ids.
    """
    table, options = scan(samples, SAMPLES).drop("reasoning", "reasoning_tokens"), None
    if queries is not None:
        options = read(queries, {name: QUERIES[name] for name in ("query_id", "options")})
    before = scan_answers(known, "answer") if known else None
    for part in _whole_queries(table):
        refuse_gaps(part, SAMPLES, samples)
        refuse_doubles(part, [samples])
        found = _answers(part, task, options)
        spelt = found.clear() if before is None else _sorted(_within(before, part["query_id"]), known)
        yield written_alike(task, found, spelt)


def _whole_queries(table: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """A table that is sorted by query_id, CHUNK rows or so at a time: those of a query are in one part."""
    size, rest = table.select(pl.len()).collect().item(), table.head(0).collect()
    for start in range(0, size, CHUNK):
        part = pl.concat([rest, table.slice(start, CHUNK).collect()])
        last = part["query_id"][-1]
        whole = part.height if start + CHUNK >= size else part["query_id"].search_sorted(last, side="left")
        rest = part[whole:]
        if whole:
            yield part[:whole]


def read_samples(task: str, samples: pl.DataFrame, options: pl.Series | None = None) -> pl.DataFrame:
    """`read_answers` of completion and finish_reason; the status of REFUSED ones is refused, whatever they
    say."""
    found = read_answers(task, samples["completion"], samples["finish_reason"], options)
    refused = samples.select(REFUSED.fill_null(False)).to_series()
    answer, status = pl.col("answer"), pl.col("status")
    return found.select(
        pl.when(~refused).then(answer).alias("answer"),
        pl.when(refused).then(pl.lit("refused")).otherwise(status).alias("status"),
    )


def _answers(samples: pl.DataFrame, task: str, options: pl.DataFrame | None) -> pl.DataFrame:
    """`ANSWERS` of rows of `SAMPLES`; `options`: query_id, options."""
    choices = None
    if options is not None:
        choices = samples.join(options, on="query_id", how="left", maintain_order="left")["options"]
    found = read_samples(task, samples, choices)
    texts = pl.Series("text", keys(samples["completion"].str.strip_chars(), 0, "completion"))
    table = samples.with_columns(found["answer"], found["status"], texts)
    return table.select(pl.col(name).cast(kind) for name, kind in ANSWERS.items())


def gather(answers: Sequence[Path], *columns: str) -> pl.DataFrame:
    """Columns of several answers files, one per round, behind the ids; sorted by the ids.

    Raises UserError when a file is not an answers table, or two samples share their ids.
    """
    return _sorted(scan_answers(answers, *columns), answers)


def lots(table: pl.LazyFrame, *others: pl.LazyFrame) -> Iterator[tuple[pl.DataFrame, ...]]:
    """Some queries of `table` after others: the rows it and `others` have of them, ROWS or so of its own.

    The tables have a query_id, and are files that are sorted by it: of these only what is asked for is read.
    A table without rows is one lot.
    """
    names = table.select(pl.col("query_id").unique()).collect(engine="streaming").to_series().sort()
    size = max(1, ROWS * len(names) // max(1, table.select(pl.len()).collect().item()))
    for start in range(0, max(1, len(names)), size):
        ends = names[start : start + size]
        yield tuple(_within(each, ends).collect() for each in (table, *others))


def _within(table: pl.LazyFrame, queries: pl.Series) -> pl.LazyFrame:
    """The rows of the queries from the least of `queries` to the greatest."""
    first, last = (pl.lit(end, pl.String()) for end in (queries.min(), queries.max()))
    return table.filter(pl.col("query_id").is_between(first, last))


def answers_in_lots(answers: Sequence[Path], *columns: str) -> Iterator[pl.DataFrame]:
    """`gather`, some queries at a time."""
    for (lot,) in lots(scan_answers(answers, *columns)):
        yield _sorted(lot.lazy(), answers)


def _sorted(answers: pl.LazyFrame, files: Sequence[Path]) -> pl.DataFrame:
    """Answers sorted by the ids. Raises UserError where two samples share them."""
    table = answers.collect().sort(IDS, maintain_order=True)
    refuse_doubles(table, files)
    return table


def scan_answers(answers: Sequence[Path], *columns: str) -> pl.LazyFrame:
    """`gather`, to be read in lots: not sorted where several files are given."""
    return pl.concat([scan(path, {name: ANSWERS[name] for name in (*IDS, *columns)}) for path in answers])


def refuse_doubles(samples: pl.DataFrame, paths: Sequence[Path]) -> None:
    """Raise UserError where two samples, sorted by the ids, share them."""
    doubled = samples.filter(pl.all_horizontal(pl.col(IDS).eq(pl.col(IDS).shift())))
    if doubled.height:
        query, sample = doubled.select(IDS).row(0)
        raise UserError(
            f"{doubled.unique(IDS).height} samples appear twice in {', '.join(map(str, paths))}, "
            f"the first is query {query!r}, sample_id {sample}; sample_id counts over all rounds, "
            "pass each file once"
        )
