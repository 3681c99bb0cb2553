"""Whether a hub model's files are what the hub sent: its cache names them by their hashes."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from scripts.lib.data.files import write_text
from scripts.lib.errors import UserError


def hold_fetched(files: Iterable[Path]) -> None:
    """Raise UserError for the first of a cached snapshot's files that is damaged or cut off.

    Each content is hashed once: what was whole is remembered, with its size and time. Files that the cache
    does not name by a hash (on file systems without symbolic links) are taken as they are.
    """
    for file in files:
        blob = file.resolve()
        named = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name)
        if named and not _whole(blob):
            raise UserError(
                f"{file} is damaged or cut off: its content is not what the hub sent; delete {blob} "
                "and run again where there is a network, or make prefetch there"
            )


def _whole(blob: Path) -> bool:
    """Whether a file's bytes are those it is named by; remembered where they are."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    state = blob.stat()
    note, told = home / "redistill" / "whole" / blob.name, f"{state.st_size} {state.st_mtime_ns}\n"
    with contextlib.suppress(OSError):
        if note.read_text(encoding="utf-8") == told:
            return True
    if whole := blob.name in _hashes(blob):
        with contextlib.suppress(OSError):  # a full or closed home: it is hashed again
            write_text(told, note)
    return whole


def _hashes(blob: Path) -> set[str]:
    """A file's hashes as a hub counts them: SHA-256 of files in LFS; of small ones Git's, and SHA-1 of the
    bytes alone, by which some mirrors of the hub name them."""
    try:
        with blob.open("rb") as stream:
            if len(blob.name) == 64:
                return {hashlib.file_digest(stream, "sha256").hexdigest()}
            content = stream.read()
            return {hashlib.sha1(start + content).hexdigest() for start in (b"blob %d\0" % len(content), b"")}
    except OSError as error:
        raise UserError(f"{blob} cannot be read ({error.strerror}); make it readable") from None
