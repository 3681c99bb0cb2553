"""Read the small files that a study names, and the few rows of the large ones that are shown."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.errors import UserError

Record = dict[str, Any]


def document(path: Path) -> Record:
    """A JSON file's object. Raises UserError when there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run the rule that makes it") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); delete it and run again") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is no JSON object; delete it and run again")
    return found


def log(path: Path) -> list[Record]:
    """A trainer's metrics.jsonl as records, without what a kill cut off. Raises UserError when absent."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; run the rule that makes it")
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def rows(paths: Iterable[Path], query_ids: Iterable[str] | None, schema: tables.Schema) -> pl.DataFrame:
    """The rows of a few queries (None: all), the rest of large tables unread; by query_id and sample_id."""
    wanted = pl.lit(True) if query_ids is None else pl.col("query_id").is_in(list(query_ids))
    parts = [pl.LazyFrame(schema=schema)]
    parts += [tables.scan(path, schema).filter(wanted) for path in paths]
    by = [name for name in ("query_id", "sample_id") if name in schema]
    return pl.concat(parts).collect().sort(by, maintain_order=True)
