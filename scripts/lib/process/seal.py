"""Checkpoints that are told from damaged ones: the hashes of their files, in a file written last."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.lib.data.files import digest, write_json

SEAL = "seal.json"


def seal(folder: Path) -> None:
    """Write down what a checkpoint's files are: {name: SHA-256}."""
    write_json(_files(folder), folder / SEAL)


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint is what was sealed."""
    try:
        return json.loads((folder / SEAL).read_bytes()) == _files(folder)
    except (OSError, ValueError):
        return False


def number(folder: Path) -> int:
    """The number that a checkpoint's name ends in."""
    return int(re.split(r"\D", folder.name)[-1])


def newest(checkpoints: Iterable[Path], good: Callable[[Path], bool] = is_whole) -> Path | None:
    """The newest of the checkpoints that is good; newer ones, damaged or left half written by a kill, are
    deleted. None where none is good."""
    for path in sorted(checkpoints, key=number, reverse=True):
        if good(path):
            return path
        print(f"{path} is damaged or half written: deleted", file=sys.stderr, flush=True)
        shutil.rmtree(path)
    return None


def _files(folder: Path) -> dict[str, str]:
    names = (path for path in folder.rglob("*") if path.is_file() and path.name != SEAL)
    return {str(path.relative_to(folder)): digest(path) for path in sorted(names)}
