"""The columns of every table, and the one way to read and write them.

Files are Parquet, sorted by their leading columns, zstd level 3, row groups of 20,000:
equal rows give equal bytes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

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
what must stay on one side of a split, else ""; `shots`: the worked examples that its prompt shows first."""

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
"""Completions. `sample_id` counts from 0 within a query over all rounds; `finish_reason`: stop, length or
content_filter. `completion` is the reply; `reasoning` what a model thought before it, null where it shows no
thought, with its tokens among `num_tokens` (`reasoning_tokens`), null where nobody counts them."""

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
(else none, ambiguous or truncated: `tasks.Answer`); `text`: a hash of the stripped completion,
equal where texts are."""

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
null when missing."""

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
"""A study's results, one row per number."""

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


def write(table: pl.DataFrame, path: Path, schema: Schema, sort: Iterable[str] | None = None) -> None:
    """Write `table` as `schema` (columns picked, cast and sorted), atomically.

    `sort` defaults to the table's id columns. Raises KeyError-like polars errors when a column is missing.
    """
    by = list(sort) if sort is not None else [name for name in _SORT if name in schema] or list(schema)
    table = table.select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(
        by, maintain_order=True
    )
    with whole_file(path) as draft:
        table.write_parquet(
            draft, compression="zstd", compression_level=3, row_group_size=20_000, statistics=True
        )


def read(path: Path, schema: Schema) -> pl.DataFrame:
    """Read a table and check its columns. Raises UserError when the file is absent, corrupt or of another
    shape."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist; run the rule that makes it")
    try:
        scan = pl.scan_parquet(path, hive_partitioning=False)
        present = scan.collect_schema().names()
        table = scan.select(name for name in schema if name in present).collect()
    except Exception as error:
        raise UserError(
            f"{path} is not a readable Parquet file ({type(error).__name__}); delete it and run again"
        ) from None
    missing = [name for name in schema if name not in present]
    if missing:
        raise UserError(
            f"{path} lacks the columns {', '.join(missing)}; it was made by another version, "
            "delete it and run again"
        )
    return table.select(pl.col(name).cast(kind) for name, kind in schema.items())


def read_many(paths: Iterable[Path], schema: Schema) -> pl.DataFrame:
    """Read several tables of one schema as one, sorted by query_id and sample_id where present."""
    table = pl.concat([read(path, schema) for path in paths])
    return table.sort([name for name in ("query_id", "sample_id") if name in schema], maintain_order=True)
