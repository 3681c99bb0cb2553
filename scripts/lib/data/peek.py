"""The first row of a user's file, without reading more than that: a plan asks before it starts."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

_HEAD = 1 << 20


def first_columns(path: Path) -> list[str] | None:
    """The columns of a file, by its first row; None where they cannot be told so."""
    row = first_row(path)
    return None if row is None else list(row)


def first_row(path: Path) -> dict[str, Any] | None:
    """The first row of a Parquet file, of JSONL, of a JSON list or of an object that holds one; gzipped or
    not.

    None where it cannot be told so: no such file, a folder, another form, a first row of over a megabyte.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(_HEAD)
        if head[:4] == b"PAR1":
            return _first_of_parquet(path)
        text = head.decode("utf-8-sig", errors="ignore").lstrip().removeprefix("[").lstrip()
        row, _ = json.JSONDecoder().raw_decode(text)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error):
        return None
    if not isinstance(row, dict):
        return None
    inner = [value[0] for value in row.values() if isinstance(value, list) and value]
    return next((first for first in inner if isinstance(first, dict)), row)


def _first_of_parquet(path: Path) -> dict[str, Any] | None:
    import pyarrow.parquet as pq  # half of a plan's start, where no file is Parquet

    batch = next(pq.ParquetFile(path).iter_batches(batch_size=1), None)
    return None if batch is None else batch.to_pylist()[0]
