"""Files and folders that are there whole or not at all: made beside their place, then moved to it.

A draft's name begins with a dot and ends in .tmp, which no other name in results, store or state does. What a
kill leaves of a folder's draft the next writer of that folder removes; of a file's, it stays, and nobody
reads it.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a draft that takes the place of `path` when the block ends without error; several may write at
    once.

    `durable`: it survives a machine that loses power right after, for what is paid for or takes hours to
    make.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield draft
        if durable:
            _sync(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


@contextmanager
def whole_folder(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `path` when the block ends without error; for one writer
    at a time.

    `durable`: as of `whole_file`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        if durable:
            for item in [*draft.rglob("*"), draft]:
                _sync(item)
        shutil.rmtree(path, ignore_errors=True)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if durable:
        _sync(path.parent)


def write_text(text: str, path: Path) -> None:
    """Write a text as UTF-8."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(value: object, path: Path, indent: int | None = 1, ensure_ascii: bool = True) -> None:
    """Write a JSON value and a line's end."""
    write_text(json.dumps(value, indent=indent, ensure_ascii=ensure_ascii) + "\n", path)


def write_json_lines(rows: Iterable[object], path: Path, ensure_ascii: bool = True) -> None:
    """Write JSON values, one per line."""
    write_text("".join(json.dumps(row, ensure_ascii=ensure_ascii) + "\n" for row in rows), path)


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's relative names and contents."""
    path = Path(path)
    total = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]:
        total.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def _sync(path: Path) -> None:
    """Have the system put a file, or a folder's list of names, on disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
