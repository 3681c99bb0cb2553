"""Whether a run's folder takes files at all: Snakemake keeps its locks, logs and records there, and says over
a hundred lines where it cannot."""

import tempfile
from pathlib import Path

from scripts.lib.errors import UserError

PLACE = Path(".snakemake")
LEAST = 1 << 20
"""Bytes that Snakemake writes of itself, at most, before a first job starts."""


def require_room() -> None:
    """Raise UserError where this folder takes no files: a full disk or quota, no inode left, not ours to
    write."""
    try:
        PLACE.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=PLACE) as file:
            file.write(bytes(LEAST))
    except OSError as error:
        raise UserError(
            f"nothing can be written to {Path.cwd() / PLACE} ({error.strerror}); completions and checkpoints "
            "written before are safe: free space there, or make it writable, and run again"
        ) from None
