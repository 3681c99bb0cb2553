"""The sample store: no completion is ever paid for twice, whatever Snakemake deletes.

    store/VERSION
    store/<model>/<sampling>/key.json                          what the folder's completions have in common
    store/<model>/<sampling>/part-<written>-<sha256>.parquet   rows, written once, never changed
    store/<model>/<sampling>/claims/                           which rows are being sampled (claims.py)

The key of a completion is its content: in the folder, the model's identity, dtype, max_tokens, stop strings,
seed, top_p, and where they are set top_k, min_p and chat_template_kwargs; in the row, the rendered prompt (as
a hash), the temperature and the sample index.
The engine and its version are recorded beside each row but are not part of the key:
they decide which draw comes out, not from which distribution, so an extension may be drawn by another engine
and a change of engine pays for nothing again.

A part's name holds the hash of its bytes. One that does not match (truncated, or damaged on disk) is moved
aside with a warning, and its rows are missing, nothing else. Parts appear whole (written aside, synced,
renamed) under names of their own, so any number of processes may write; of two rows with one key the earlier
written one counts.
"""

import contextlib
import errno
import functools
import hashlib
import io
import json
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from scripts.lib.data.files import whole_file
from scripts.lib.errors import UserError

VERSION = "redistill sample store 2\n"
KEY = {"prompt_key": pl.String(), "temperature": pl.Float64(), "index": pl.Int32()}
ROWS = KEY | {
    "completion": pl.String(),
    "finish_reason": pl.String(),
    "num_tokens": pl.Int32(),
    "prompt_tokens": pl.Int32(),
    "engine": pl.String(),
    "prompt": pl.String(),
    "reasoning": pl.String(),
    "reasoning_tokens": pl.Int32(),
}
"""What `add` takes and `find` gives. `index` numbers the samples of one prompt and temperature;
`prompt` is for people."""
_PART = re.compile(r"part-\d{20}-[0-9a-f]{12}-([0-9a-f]{16})\.parquet")
_GONE = (errno.ENOENT, errno.ESTALE)
_COMPACT = 32
_SMALL = 32 << 20
_STALE = 24 * 3600
_GROUP = 20_000
"""Rows that are encoded, and decoded, together."""
HELD = 32 << 20
"""Bytes of rows in memory at once."""


def prompt_key(form: str, prompt: str) -> str:
    """The hash a rendered prompt is found under; `form` says how it becomes tokens: "text" or "chat"."""
    return hashlib.sha256(f"{form}\0{prompt}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Store:
    """A store's folder, made where it is absent. Raises UserError when it is another version's or no
    store."""

    root: Path

    def __post_init__(self) -> None:
        marker = self.root / "VERSION"
        try:
            found = marker.read_text(errors="replace")
        except FileNotFoundError:
            if self.root.is_dir() and any(not item.name.startswith(".") for item in self.root.iterdir()):
                if marker.exists():
                    return self.__post_init__()
                raise UserError(
                    f"{self.root} is not empty and not a sample store; set store to another folder"
                ) from None
            _write(marker, VERSION.encode())
            return None
        except OSError as error:
            raise UserError(
                f"the sample store {self.root} cannot be opened ({error.strerror}); set store to a folder"
            ) from None
        if found != VERSION:
            raise UserError(
                f"the sample store {self.root} is of another version ({found.strip()[:60]!r}, "
                f"this code reads {VERSION.strip()!r}); use the code that wrote it, "
                "or set store to another folder"
            )
        return None

    def partition(self, model: str, sampling: Mapping[str, object]) -> "Partition":
        """The folder of one model and one set of sampling parameters (JSON values)."""
        key = json.dumps({"model": model, **sampling}, sort_keys=True, indent=1) + "\n"
        name = re.sub(r"[^A-Za-z0-9.@-]+", "-", model)[:48].strip("-.")
        folder = (
            self.root
            / f"{name}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
            / hashlib.sha256(key.encode()).hexdigest()[:16]
        )
        if not (folder / "key.json").exists():
            _write(folder / "key.json", key.encode())
        return Partition(folder)


@dataclass(frozen=True)
class Partition:
    """The completions of one model under one set of sampling parameters."""

    folder: Path

    def find(self, wanted: pl.DataFrame, texts: bool = True) -> pl.DataFrame:
        """The stored rows among `wanted` (the columns of KEY), as ROWS, or KEY without `texts`;
        one per key, sorted."""
        names = list(ROWS if texts else KEY)
        wanted = wanted.select(pl.col(name).cast(kind) for name, kind in KEY.items())
        while True:
            try:
                found = [_empty()]
                for rows in self.rows([*names, "written"]):
                    found.append(rows.join(wanted, on=list(KEY), how="semi"))
                return _first(pl.concat(found, how="diagonal")).select(names)
            except Gone:
                continue  # merged into another part since the folder was listed

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows (ROWS) durably, as one part: all of them or none.

        Raises UserError when the disk is full or the store cannot be written; what it holds stays valid.
        """
        if rows.height:
            stamp = _stamp()
            rows = rows.select(pl.col(name).cast(kind) for name, kind in ROWS.items())
            self._add(rows.with_columns(written=pl.lit(stamp)), stamp)

    def compact(self) -> None:
        """Merge small parts once there are many, so that look-ups stay quick; safe beside other readers and
        writers.

        A part is removed only after its rows lie in another one on disk. A full disk postpones it.
        """
        sizes = {part: size for part in self._parts() if (size := _size(part)) < _SMALL}
        if len(sizes) < _COMPACT:
            return
        batch: list[Path] = []
        for part in sizes:
            batch.append(part)
            if sum(sizes[each] for each in batch) >= _SMALL:
                self._merge(batch)
                batch = []
        self._merge(batch)
        for draft in self.folder.glob(".part-*.tmp"):
            try:
                if time.time() - draft.stat().st_mtime > _STALE:
                    draft.unlink()
            except FileNotFoundError:
                continue

    def _merge(self, parts: list[Path]) -> None:
        merged = []
        for part in parts:
            try:
                merged.append((part, pl.concat([_empty(), *_read(part, [*ROWS, "written"])])))
            except Gone:
                continue
        found = [(part, rows) for part, rows in merged if rows.height]
        if len(found) < 2:
            return
        try:
            self._add(_first(pl.concat([rows for _, rows in found])), _stamp())
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)
            return
        for part, _ in found:
            with contextlib.suppress(PermissionError):  # somebody else's, in a folder that all may write to
                part.unlink(missing_ok=True)

    def rows(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        """Columns (of ROWS, and `written`) of all rows of the folder, HELD bytes at a time. Raises Gone.

        A folder that changes while it is listed may hide both a part and the one it was merged into;
        so it is listed until nothing new is found.
        """
        group: list[pl.DataFrame] = []
        held = 0
        seen: set[Path] = set()
        while unseen := [part for part in self._parts() if part not in seen]:
            for part in unseen:
                for rows in _read(part, columns):
                    group.append(rows)
                    held += int(rows.estimated_size())
                    if held >= HELD:
                        yield pl.concat(group, rechunk=True)
                        group, held = [], 0
            seen.update(unseen)
        if group:
            yield pl.concat(group, rechunk=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def _add(self, rows: pl.DataFrame, stamp: str) -> None:
        data = io.BytesIO()
        rows.write_parquet(data, compression="zstd", compression_level=3, row_group_size=_GROUP)
        content = data.getvalue()
        digest = hashlib.sha256(content).hexdigest()[:16]
        _write(self.folder / f"part-{stamp}-{digest}.parquet", content)


def _stamp() -> str:
    return f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}"


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=ROWS | {"written": pl.String()})


def _first(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per key: the earliest written; sorted by key."""
    return rows.sort([*KEY, "written"], maintain_order=True).unique(
        list(KEY), keep="first", maintain_order=True
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return _SMALL


class Gone(Exception):
    """A part was merged into another one by somebody else."""


def _read(part: Path, columns: list[str]) -> Iterator[pl.DataFrame]:
    """The part's columns, some rows at a time; nothing of one that is not ours to read, and, moved aside, of
    one whose bytes are not those it was named by.

    Raises Gone when it is there no more; NFS calls a file that another machine removed stale.
    """
    try:
        yield from _checked(part, columns)
    except OSError as error:
        if error.errno in _GONE:
            raise Gone from None
        raise


def _checked(part: Path, columns: list[str]) -> Iterator[pl.DataFrame]:
    named = _PART.fullmatch(part.name)
    if not named:
        return _left_out(part, "has a name that the store does not give")
    try:
        content = part.read_bytes()
    except PermissionError:
        return _left_out(part, "is not yours to read")
    if hashlib.sha256(content).hexdigest()[:16] == named[1]:
        try:
            table = pl.scan_parquet(io.BytesIO(content)).select(columns)
            table = table.match_to_schema({name: ROWS.get(name, pl.String()) for name in columns})
            for start in range(0, table.select(pl.len()).collect().item(), _GROUP):
                yield table.slice(start, _GROUP).collect()
        except pl.exceptions.PolarsError:
            _left_out(part, "has other columns than the store's")
        return None
    aside = part.with_name(f"{part.name}.damaged")
    try:
        part.replace(aside)
    except OSError as error:
        if error.errno in _GONE:
            raise
        return _left_out(part, f"is damaged, and cannot be moved aside ({error.strerror})")
    return _left_out(part, f"is damaged; moved to {aside.name}")


@functools.cache
def _left_out(part: Path, why: str) -> None:
    """Say once why a part is not read."""
    print(f"warning: {part} {why}: its completions count as missing", file=sys.stderr)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and durably. A full or closed disk becomes a UserError."""
    try:
        with whole_file(path, durable=True) as draft:
            draft.write_bytes(content)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise UserError(
            f"{'no space is left for' if full else 'cannot write to'} the sample store, {path.parent} "
            f"({error.strerror}); everything written before is safe: "
            f"{'free space' if full else 'make it writable or set store to another folder'}, and run again"
        ) from None
