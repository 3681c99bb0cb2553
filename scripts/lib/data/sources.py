"""Read the rows a user brings: JSONL, JSON or Parquet, gzipped or not, one file or a folder as the hub lays
it out. Whatever the file is, a mistake in it is one line, and it takes no more memory than its limits."""

import difflib
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
import polars.selectors as cs

from scripts.lib.errors import UserError, shown

Format = Literal["auto", "jsonl", "json", "parquet"]
LARGEST = 2 << 30
"""Bytes of a file's text, unpacked: some kilobytes that inflate to more are a mistake or an attack."""
MOST = 200_000_000
"""Cells of a Parquet file, those in lists counted one by one."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON writes half of a character of two (a surrogate)."""
_SUFFIXES = (".parquet", ".jsonl", ".json", ".jsonl.gz", ".json.gz")
_DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")


def find_files(path: Path, split: str) -> list[Path]:
    """The data files of `path`: itself, or those of one split in a folder (named `split*` or in a folder
    `split`).

    A folder without such names must hold one data file. Raises UserError when nothing, or too much, fits.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; give a JSONL, JSON or Parquet file, or a folder of them")
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} is neither a file nor a folder, but a device, pipe or socket; name a file")
    files = [file for file in sorted(path.rglob("*")) if file.name.endswith(_SUFFIXES)]
    files = [file for file in files if file.is_file() and file.name not in _DESCRIPTIONS]
    named = [file for file in files if file.name.startswith(split) or file.parent.name == split]
    if not named and len(files) != 1:
        found = ", ".join(str(file.relative_to(path)) for file in files[:5]) or "no data file"
        raise UserError(
            f"{path} has no file of the split {split!r} ({found}); name the file itself, or another split"
        )
    chosen = named or files
    folders = {file.parent if file.parent.name != split else file.parent.parent for file in chosen}
    if len(folders) > 1:
        found = ", ".join(sorted(str(folder.relative_to(path)) for folder in folders))
        raise UserError(
            f"{path} holds several configurations with the split {split!r} ({found}); name one folder"
        )
    return chosen


def read_rows(path: Path, form: Format = "auto") -> tuple[list[dict[str, Any]], str]:
    """The rows of one file as dicts, and the SHA-256 of its bytes. `auto` looks at the content, not at the
    name.

    Numbers that are none (NaN) are None, and halves of characters U+FFFD. Raises UserError for a file that is
    empty, corrupt or too large, naming the line.
    """
    content, revision = _content(path)
    if not content.strip():
        raise UserError(f"{path} is empty; it needs rows")
    if form == "auto":
        form = _recognise(content, path)
    rows = {"parquet": _parquet, "json": _json, "jsonl": _jsonl}[form](content, path)
    if not rows:
        raise UserError(f"{path} is empty; it needs rows")
    return rows, revision


def parsed(text: str) -> Any:
    """A JSON value, without numbers that are none and without halves of characters, which no file can hold.
    Raises ValueError where there is none."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
        return _whole(value) if _HALF.search(text) else value
    except RecursionError:
        raise ValueError("brackets in brackets in brackets") from None


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    return value


STRANGERS = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file it stands for; fetch that (git lfs pull)",
    b"<": "a page of the web, not a file of rows; fetch it again",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
    b"bzh": "packed by bzip2; unpack it",
    b"\xfd7zxz": "packed by xz; unpack it",
    b"pk\x03\x04": "a zip archive; unpack it",
    b"\xff\xfe": "UTF-16 text; convert the file to UTF-8",
    b"\xfe\xff": "UTF-16 text; convert the file to UTF-8",
}
"""How files begin, in lower case, that are often found where rows were meant."""


def _too_large(path: Path) -> UserError:
    return UserError(
        f"{path} holds more than {LARGEST >> 20} MB unpacked or {MOST:,} cells; split it or cut it"
    )


def _content(path: Path) -> tuple[bytes, str]:
    """A file's bytes, unpacked, and the SHA-256 of those on disk."""
    try:
        if path.stat().st_size > LARGEST:
            raise _too_large(path)
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it readable") from None
    revision = hashlib.sha256(content).hexdigest()
    if content[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path} is a damaged gzip file ({error}); fetch it again") from None
    if len(content) > LARGEST:
        raise _too_large(path)
    return content, revision


def _recognise(content: bytes, path: Path) -> Format:
    if content[:4] == b"PAR1":
        return "parquet"
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] == b"[":
        return "json"
    if start[:1] == b"{":
        first = start.split(b"\n", 1)[0]
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            # A document over several lines opens with a brace alone;
            # anything longer is a broken line of JSONL.
            return "json" if first.strip() == b"{" else "jsonl"
        return "jsonl"
    strange = next((said for begin, said in STRANGERS.items() if start[: len(begin)].lower() == begin), None)
    raise UserError(f"{path} is {strange or 'neither JSONL, JSON nor Parquet; convert it to one of them'}")


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path} line {line}: not UTF-8; convert the file to UTF-8") from None


def _jsonl(content: bytes, path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(_text(content, path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parsed(line)
        except ValueError as error:
            raise UserError(f"{path} line {number}: not JSON ({error}); mend or remove the line") from None
        if not isinstance(row, dict):
            raise UserError(
                f"{path} line {number}: not an object with named columns; write {{...}} on each line"
            )
        rows.append(row)
    return rows


def _json(content: bytes, path: Path) -> list[dict[str, Any]]:
    try:
        document = parsed(_text(content, path))
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        why = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise UserError(f"{path} line {line}: not JSON ({why}); mend the file or fetch it again") from None
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        within = len(lists) == 1 and any(isinstance(row, dict) for row in lists[0])
        document = lists[0] if within else [document]
    for number, row in enumerate(document, start=1):
        if not isinstance(row, dict):
            raise UserError(
                f"{path} row {number}: not an object with named columns; the file is to be a list of {{...}}"
            )
    return document


def _parquet(content: bytes, path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet as pq

        stated = pq.read_metadata(io.BytesIO(content))
        columns = [
            stated.row_group(group).column(column)
            for group in range(stated.num_row_groups)
            for column in range(stated.num_columns)
        ]
        fits = (
            sum(column.num_values for column in columns) <= MOST
            and sum(column.total_uncompressed_size for column in columns) <= LARGEST
        )
        table = pl.read_parquet(io.BytesIO(content)) if fits else pl.DataFrame()
        fits = fits and sum(map(_text_size, table)) <= LARGEST
    except Exception as error:
        raise UserError(
            f"{path} is not a readable Parquet file ({type(error).__name__}); fetch it again"
        ) from None
    if not fits:
        raise _too_large(path)
    return table.with_columns(cs.float().fill_nan(None)).to_dicts()


def _text_size(column: pl.Series) -> int:
    """Bytes of a column's texts, each counted as often as it stands there."""
    kind = column.dtype
    if isinstance(kind, pl.List | pl.Array):
        return _text_size(column.explode())
    if isinstance(kind, pl.Struct):
        return sum(_text_size(column.struct.field(field.name)) for field in kind.fields)
    if kind == pl.Binary:
        return int(column.bin.size().sum())
    text = column.cast(pl.String) if isinstance(kind, pl.Categorical | pl.Enum) else column
    return int(text.str.len_bytes().sum()) if text.dtype == pl.String else 0


def find_column(
    rows: Iterable[dict[str, Any]],
    wanted: str | None,
    usual: Sequence[str],
    what: str,
    path: Path,
    needed: bool = False,
) -> str | None:
    """The column called `wanted`, else the first of the `usual` names that occurs; None when there is none.

    Raises UserError when `wanted` does not occur (naming the nearest), when a `needed` column is not found,
    and when a row has its value under another of the usual names alone.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if wanted is not None:
        if wanted in columns:
            return wanted
        near = difflib.get_close_matches(wanted, columns, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}" if near else f"its columns are {_named(columns)}"
        raise UserError(f"{path} has no column {wanted!r} for the {what}; {hint}?")
    found = next((name for name in usual if name in columns), None)
    if found is None and needed:
        near = [match for name in usual for match in difflib.get_close_matches(name, columns, n=1)]
        hint = f"nearest: {near[0]!r}" if near else f"its columns are {_named(columns)}"
        raise UserError(
            f"{path} has no column {', '.join(usual[:-1])} or {usual[-1]} ({hint}); "
            f"name the {what} with {what.split()[-1]}_column"
        )
    several = [name for name in usual if name in columns]
    for number, row in enumerate(rows if len(several) > 1 else (), start=1):
        elsewhere = next((name for name in several if row.get(name) not in _NOTHING), found)
        if elsewhere != found:
            raise UserError(
                f"{path} row {number}: the {what} stands in {elsewhere!r}, that of other rows in {found!r}; "
                f"write all into one column, or name the one that counts with {what}_column"
            )
    return found


_NOTHING: tuple[Any, ...] = (None, "", [])
"""Cells that hold no value."""


def _named(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns))


def id_of(cell: Any) -> str:
    """An id as text. Raises UserError, without its place, for a cell that is neither text nor a whole number:
    b'5' or {'a': 1} in Python's writing would be found nowhere else."""
    if isinstance(cell, str | int) and not isinstance(cell, bool):
        return str(cell)
    raise UserError(
        f"{shown(cell)} is neither text nor a whole number; write it as one, or name another column"
    )
