"""The columns of every table, and the one way to read and write them.

Files are Parquet, sorted by their leading columns, zstd level 3, row groups of 20,000:
equal rows give equal bytes. The footer's metadata hold a CRC-32 of all other bytes of the file, which every
reader here asks first: Parquet by itself reads three of ten flipped bits as other data.
"""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Full, Queue
from typing import Any, BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from scripts.lib.data.files import whole_file
from scripts.lib.errors import UserError

Schema = Mapping[str, pl.DataType]

SHOT = pl.Struct({"question": pl.String(), "options": pl.List(pl.String()), "answer": pl.String()})
"""A worked example of another question: its choices, and its answer as a response would state it."""

QUERIES: Schema = {
    "query_id": pl.String(),
    "question": pl.String(),
    "options": pl.List(pl.String()),
    "group": pl.String(),
    "shots": pl.List(SHOT),
}
"""Questions without answers. `options`: the choices of a multiple-choice question, else empty; `group`:
what kind of question it is, else "" (a file that is split keeps each on one side); `shots`: the worked
examples that its prompt shows first."""

GOLDS: Schema = {"query_id": pl.String(), "answer": pl.String()}
"""Reference answers; read by scoring and by validation, never by a training target."""

SAMPLES: Schema = {
    "query_id": pl.String(),
    "sample_id": pl.Int32(),
    "completion": pl.String(),
    "finish_reason": pl.String(),
    "num_tokens": pl.Int32(),
    "temperature": pl.Float64(),
    "round": pl.Int32(),
    "reasoning": pl.String(),
    "reasoning_tokens": pl.Int32(),
}
"""Completions. `sample_id` counts from 0 within a query over all rounds; `finish_reason`: stop, length,
content_filter, or unknown (one of a server's own, or an empty reply). `completion` is the reply; `reasoning`
what a model thought before it, null where it shows no thought, with its tokens among `num_tokens`
(`reasoning_tokens`), null where nobody counts them."""

ANSWERS: Schema = {
    "query_id": pl.String(),
    "sample_id": pl.Int32(),
    "answer": pl.String(),
    "status": pl.String(),
    "finish_reason": pl.String(),
    "temperature": pl.Float64(),
    "round": pl.Int32(),
    "text": pl.UInt64(),
}
"""Samples as they were read, without their texts. `answer`: canonical, null unless `status` is "ok"
(else none, ambiguous or truncated: `tasks.Answer`; or refused: `samples.read.REFUSED`); `text`: a hash of the
stripped completion, equal where texts are."""

LABELS: Schema = {
    "query_id": pl.String(),
    "label": pl.String(),
    "share": pl.Float64(),
    "votes": pl.Int32(),
    "m": pl.Int32(),
    "reason": pl.String(),
}
"""Pseudo-labels y* (Eq. 1). `share` = votes / m; `label` is null unless `reason` is "ok" (else
below_threshold, tie, no_answer)."""

REQUESTS: Schema = {
    "query_id": pl.String(),
    "sample_id": pl.Int32(),
    "status": pl.String(),
    "request_id": pl.String(),
}
"""Which request judges which sample: the query_id of its judgements (`SAMPLES`), null where nothing is asked.
`status`: how the response reads, and only what is valid ("ok") is asked about (`tasks/open.py`)."""

GRADES: Schema = {
    "query_id": pl.String(),
    "sample_id": pl.Int32(),
    "answer": pl.String(),
    "status": pl.String(),
    "score": pl.Float64(),
}
"""The teacher's verdict on each sample of a labelled query: 1 or 0 for verifiable tasks, 0 to 5 when judged,
null when missing, or when the sample was refused."""

PAIRS: Schema = {
    "query_id": pl.String(),
    "kind": pl.String(),
    "chosen_source": pl.String(),
    "chosen_sample_id": pl.Int32(),
    "chosen_score": pl.Float64(),
    "rejected_source": pl.String(),
    "rejected_sample_id": pl.Int32(),
    "rejected_score": pl.Float64(),
    "split": pl.String(),
}
"""Preference pairs as ids (Eq. 5, 6). `kind`: teacher_student or student_student (of ORM-T teacher_teacher);
sources: teacher or student; `split`: train, validation (which chooses the checkpoint) or test (Table 9)."""

SCORES: Schema = {
    "query_id": pl.String(),
    "sample_id": pl.Int32(),
    "answer": pl.String(),
    "status": pl.String(),
    "correct": pl.Boolean(),
}
"""Evaluated completions: the answer read, how it was read, and whether it equals the reference."""

REWARDS: Schema = {
    "query_id": pl.String(),
    "sample_id": pl.Int32(),
    "reward": pl.Float32(),
}
"""What a reward model says of samples."""

GROWTH: Schema = {
    "query_id": pl.String(),
    "n": pl.Int32(),
    "rule": pl.String(),
    "correct": pl.Float64(),
}
"""How likely a question is answered rightly where one of n samples is taken, by `rule`
(`evaluation/repeated.py`)."""

HELD_OUT_REWARDS: Schema = {
    "query_id": pl.String(),
    "source": pl.String(),
    "sample_id": pl.Int32(),
    "score": pl.Float64(),
    "reward": pl.Float64(),
}
"""What a reward model gives the answers of its held-out pairs. `source`: teacher or student; `score`: the
teacher's verdict, as in PAIRS; `reward`: the model's, r."""

METRICS: Schema = {
    "dataset": pl.String(),
    "teacher": pl.String(),
    "student": pl.String(),
    "variant": pl.String(),
    "seed": pl.Int32(),
    "benchmark": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "n": pl.Int32(),
}
"""A study's results, one row per number; p are uncorrected."""

IDS: Schema = {"query_id": pl.String()}
"""A set of queries."""

_SORT = (
    "query_id",
    "kind",
    "sample_id",
    "chosen_source",
    "chosen_sample_id",
    "rejected_source",
    "rejected_sample_id",
)


_FULL = ("query_id", "sample_id", "question", "completion", "finish_reason")
"""Columns that hold a value in every row, in whichever table; and so does the answer of GOLDS."""

_CHECKSUM = b"redistill-crc32:"
"""What eight hexadecimal digits follow, in the value of the metadata's key `checksum`."""
_TAIL = 1 << 14
"""Bytes at a file's end that hold the metadata: the writer's name and a few bytes a column follow them."""
_BLOCK = 1 << 20
_FORMAT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "row_group_size": 20_000,
    "statistics": True,
    "metadata": {"checksum": f"{_CHECKSUM.decode()}{0:08x}"},
}
"""How polars writes a table; the checksum's digits are put in then."""


def write(table: pl.DataFrame, path: Path, schema: Schema, sort: Iterable[str] | None = None) -> None:
    """Write `table` as `schema` (columns picked, cast and sorted), atomically.

    `sort` defaults to the table's id columns. Raises KeyError-like polars errors when a column is missing.
    """
    by = list(sort) if sort is not None else ids_of(schema)
    table = table.select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(
        by, maintain_order=True
    )
    with _checked(path) as draft:
        table.write_parquet(draft, **_FORMAT)


def ids_of(schema: Schema) -> list[str]:
    """The columns that tell a table's rows apart, in the order that it is sorted by."""
    return [name for name in _SORT if name in schema] or list(schema)


def write_sorted(parts: Iterable[pl.DataFrame], path: Path, schema: Schema) -> None:
    """Write a table that comes in parts, sorted already by its id columns: to the bytes of `write`, in the
    memory of some parts. They are made in the thread that calls, where alone signals are handled."""
    waiting: Queue[pl.DataFrame | None] = Queue(maxsize=1)

    def batches(*_: object) -> Iterator[pl.DataFrame]:
        while (part := waiting.get()) is not None:
            yield part

    def sink(draft: Path) -> None:
        register_io_source(batches, schema=schema).sink_parquet(draft, maintain_order=True, **_FORMAT)

    with _checked(path) as draft, ThreadPoolExecutor(1) as beside:
        written = beside.submit(sink, draft)
        try:
            for part in parts:
                cast = part.select(pl.col(name).cast(kind) for name, kind in schema.items())
                if not _put(waiting, cast, written):
                    break
        finally:
            _put(waiting, None, written)
        written.result()


def _put(waiting: Queue, part: pl.DataFrame | None, taker: Future) -> bool:
    """Hand a part over; False where the taker has ended before."""
    while not taker.done():
        with suppress(Full):
            waiting.put(part, timeout=1)
            return True
    return False


@contextmanager
def _checked(path: Path) -> Iterator[Path]:
    """A draft of a table's file, whose checksum is put in before it takes its place."""
    with whole_file(path) as draft:
        yield draft
        with draft.open("r+b") as file:
            place = _checksum_place(file)
            checksum = _crc32(file, place)
            file.seek(place)
            file.write(checksum)


def scan(path: Path, schema: Schema) -> pl.LazyFrame:
    """A table to be read in parts, its columns checked, and its bytes against their checksum.

    Raises UserError when the file is absent, damaged or of another shape.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist; run the rule that makes it")
    _verify(path)
    table = pl.scan_parquet(path, hive_partitioning=False)
    present = table.collect_schema()
    missing = [name for name in schema if name not in present]
    if missing:
        raise UserError(
            f"{path} lacks the columns {', '.join(missing)}; it was made by another version, "
            "delete it and run again"
        )
    return table.select(
        name if present[name] == kind else pl.col(name).cast(kind) for name, kind in schema.items()
    )


def read(path: Path, schema: Schema) -> pl.DataFrame:
    """Read a table and check it, as `scan` and `refuse_gaps` do; of QUERIES and GOLDS, that a query stands
    there once."""
    table = scan(path, schema).collect()
    refuse_gaps(table, schema, path)
    if schema is QUERIES or schema is GOLDS:
        twice = table.filter(pl.col("query_id").is_duplicated())
        if twice.height:
            raise UserError(
                f"{path} has the query {twice['query_id'][0]!r} twice; something else wrote it, "
                "delete it and run again"
            )
    return table


def refuse_gaps(table: pl.DataFrame, schema: Schema, path: Path) -> None:
    """Raise UserError where a table's cell is empty that a row cannot do without."""
    full = {*_FULL, *(("answer",) if schema is GOLDS else ())}
    for name in schema:
        if name in full and table[name].null_count():
            raise UserError(
                f"{path} has {table[name].null_count()} rows without {name}; something else wrote it, "
                "delete it and run again"
            )


def read_many(paths: Iterable[Path], schema: Schema) -> pl.DataFrame:
    """Read several tables of one schema as one, sorted by query_id and sample_id where present."""
    table = pl.concat([read(path, schema) for path in paths])
    return table.sort([name for name in ("query_id", "sample_id") if name in schema], maintain_order=True)


def _verify(path: Path) -> None:
    """Raise UserError unless a table's bytes are those that were written."""
    try:
        with path.open("rb") as file:
            place = _checksum_place(file)
            file.seek(place)
            whole = file.read(8) == _crc32(file, place)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it readable and run again") from None
    except ValueError:
        whole = False
    if not whole:
        raise UserError(
            f"{path} is damaged or was written by something else (its checksum is not that of its bytes); "
            "delete it and run again"
        )


def _checksum_place(file: BinaryIO) -> int:
    """Where the checksum's digits begin. Raises ValueError where there is none."""
    start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
    file.seek(start)
    return start + file.read().rindex(_CHECKSUM) + len(_CHECKSUM)


def _crc32(file: BinaryIO, place: int) -> bytes:
    """CRC-32 of a file without the eight bytes at `place`, as hexadecimal digits."""
    file.seek(0)
    total, left = 0, place
    while block := file.read(min(_BLOCK, left)):
        total, left = zlib.crc32(block, total), left - len(block)
    file.seek(place + 8)
    while block := file.read(_BLOCK):
        total = zlib.crc32(block, total)
    return b"%08x" % total
