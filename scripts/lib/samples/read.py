"""Walk through sample files a chunk at a time, so that texts never fill the memory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl

from scripts.lib.data.tables import QUERIES, SAMPLES, read
from scripts.lib.errors import UserError
from scripts.lib.tasks.bulk import read_answers

CHUNK = 100_000
TEXTS = {"query_id": pl.String(), "sample_id": pl.Int32(), "text": pl.UInt64()}
"""What `text_hashes` returns."""


def identify(paths: Iterable[Path]) -> pl.DataFrame:
    """The samples without their texts: query_id, sample_id, temperature, round; sorted by the ids.

    Raises UserError when a file is not a samples table or two samples share their ids.
    """
    columns = {name: SAMPLES[name] for name in ("query_id", "sample_id", "temperature", "round")}
    parts = [read(path, columns) for path in paths]
    samples = pl.concat(parts).sort("query_id", "sample_id", maintain_order=True)
    ids = pl.struct("query_id", "sample_id")
    twice = samples.filter(ids == ids.shift(1))
    if twice.height:
        row = twice.row(0, named=True)
        raise UserError(
            f"{twice.height} samples appear twice in {', '.join(map(str, paths))}, the first is query "
            f"{row['query_id']!r}, sample_id {row['sample_id']}; sample_id counts over all rounds, pass each file once"
        )
    return samples


def chunks(path: Path, columns: Iterable[str], keep: pl.DataFrame | None = None) -> Iterator[pl.DataFrame]:
    """Yield the columns of one samples file by 100,000 rows, only those whose ids are in `keep` where it is given."""
    scan = pl.scan_parquet(path, hive_partitioning=False).select(columns)
    for start in range(0, scan.select(pl.len()).collect().item(), CHUNK):
        chunk = scan.slice(start, CHUNK).collect()
        if keep is not None:
            chunk = chunk.join(keep, on=keep.columns, how="semi", maintain_order="left")
        if chunk.height:
            yield chunk


def _gather(
    paths: Iterable[Path],
    columns: Iterable[str],
    keep: pl.DataFrame | None,
    work: Callable[[pl.DataFrame], pl.DataFrame],
    schema: dict[str, pl.DataType],
) -> pl.DataFrame:
    parts = [work(chunk) for path in paths for chunk in chunks(path, columns, keep)]
    return pl.concat([pl.DataFrame(schema=schema), *parts]).sort("query_id", "sample_id", maintain_order=True)


def answers_of(
    paths: Iterable[Path], task: str, keep: pl.DataFrame | None = None, queries: Path | None = None
) -> pl.DataFrame:
    """Read the answer of every sample (of those in `keep`, joined on all its columns).

    `queries` brings the options of multiple-choice questions, which bound the letters that count as answers.
    Returns query_id, sample_id, answer, status, finish_reason; sorted by the ids.
    """
    options = None
    if queries is not None:
        options = read(queries, {name: QUERIES[name] for name in ("query_id", "options")})

    def work(chunk: pl.DataFrame) -> pl.DataFrame:
        choices = None
        if options is not None:
            choices = chunk.select("query_id").join(
                options, on="query_id", how="left", maintain_order="left"
            )["options"]
        found = read_answers(task, chunk["completion"], chunk["finish_reason"], choices)
        return pl.concat(
            [
                chunk.select("query_id", "sample_id"),
                found.select("answer", "status"),
                chunk.select("finish_reason"),
            ],
            how="horizontal",
        )

    columns = ("query_id", "sample_id", "completion", "finish_reason")
    schema = {"query_id": pl.String(), "sample_id": pl.Int32(), "answer": pl.String(), "status": pl.String()}
    return _gather(paths, columns, keep, work, schema | {"finish_reason": pl.String()})


def text_hashes(paths: Iterable[Path], keep: pl.DataFrame | None = None) -> pl.DataFrame:
    """Hash the stripped completions, to tell equal texts within this process: `TEXTS`, sorted by the ids."""
    ids = ("query_id", "sample_id")

    def work(chunk: pl.DataFrame) -> pl.DataFrame:
        return chunk.select(*ids, pl.col("completion").str.strip_chars().hash().alias("text"))

    return _gather(paths, (*ids, "completion"), keep, work, TEXTS)
