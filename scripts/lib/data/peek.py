"""The columns of a user's file, without reading more than its first row: a plan asks before it starts."""

import functools
import gzip
import json
from pathlib import Path

_HEAD = 1 << 20


@functools.cache
def first_columns(path: Path) -> list[str] | None:
    """The columns of a Parquet file, or of the first row of JSONL, of a JSON list or of an object that holds
    one; gzipped or not.

    None where they cannot be told so: no such file, a folder, another form, a first row of over a megabyte.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(_HEAD)
        if head[:4] == b"PAR1":
            import pyarrow.parquet as pq  # half of a plan's start, where no file is Parquet

            return list(pq.read_schema(path).names)
        text = head.decode("utf-8-sig", errors="ignore").lstrip().removeprefix("[").lstrip()
        row, _ = json.JSONDecoder().raw_decode(text)
    except (OSError, EOFError, ValueError):
        return None
    if not isinstance(row, dict):
        return None
    inner = [value[0] for value in row.values() if isinstance(value, list) and value]
    return list(next((first for first in inner if isinstance(first, dict)), row))
