"""What a run works from: config, tables, code and the user's own files, as they were when it began.

The run's Snakemake writes that down before its first job. A job's Snakemake, which reads everything anew,
takes config and tables from it: an edit of them waits for the next run. A job whose rules, code, prompt or
verifier is another one by then ends in one line: what it made would be recorded as made from what was there
when the run began.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib.data.files import digest, write_json
from scripts.lib.errors import UserError
from scripts.lib.process.cli import SNAPSHOT
from scripts.lib.workflow.fingerprint import ROOT, fingerprint, is_module, meaning, together

FILE = Path(".snakemake/redistill.snapshot.json")
LARGEST = 10_000_000
"""Bytes of the largest file that is looked into; the time stamps of larger ones are Snakemake's business."""


@dataclass(frozen=True)
class Snapshot:
    """What a run began with."""

    config: dict[str, Any]
    """The config, as it was resolved."""
    studies: dict[str, list[dict]]
    """The rows of each study's table."""
    rules: dict[str, str] = field(default_factory=dict)
    """Hashes of the rules' files, and of the code that they import."""
    files: dict[str, str] = field(default_factory=dict)
    """Hashes of the files of config/ and of those that the config names."""
    code: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the steps that the rules have asked for."""
    commit: str = ""
    """Of the repository; "" where git does not know."""
    changed: list[str] = field(default_factory=list)
    """The repository's files that are not as in the commit."""

    @classmethod
    def take(cls, config: dict[str, Any], studies: dict[str, list[dict]]) -> Snapshot:
        """What is there now."""
        files = {name: _content(name) for name in _named(config)}
        return cls(config, studies, _rules(), files, {}, *_commit())

    def fingerprint(self, step: str) -> str:
        """A step's code when the run began."""
        if step not in self.code:
            self.code[step] = fingerprint(step)
        return self.code[step]

    def write(self, path: Path = FILE) -> None:
        """Give it to the jobs and steps of this run."""
        write_json(asdict(self), path, indent=None)
        os.environ[SNAPSHOT] = str(path.absolute())


def join(path: Path = FILE) -> Snapshot | None:
    """What the run of this job began with; None where its file is gone, with all that Snakemake remembers.

    Raises UserError where the rules are other ones since.
    """
    if found := _read(path):
        _hold(found.rules, _rules())
        os.environ[SNAPSHOT] = str(path.absolute())
    return found


def began() -> Snapshot | None:
    """What the run of this step began with; None where no run started it."""
    return _read(Path(os.environ[SNAPSHOT])) if SNAPSHOT in os.environ else None


def hold(path: Path, words: list[str], step: str | None = None) -> None:
    """Raise UserError where a file that a step's flags name, or the code of `step`, is another one since."""
    if found := _read(path):
        own = {name: then for name, then in found.files.items() if any(name in word for word in words)}
        _hold(own, {name: _content(name) for name in own})
        if step in found.code:
            _hold({step: found.code[step]}, {step: fingerprint(step)})


def _read(path: Path) -> Snapshot | None:
    try:
        return Snapshot(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None


def _hold(then: dict[str, str], now: dict[str, str]) -> None:
    if changed := sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)):
        raise UserError(f"{changed[0]} has changed since this run began; undo that, or run again")


def _commit() -> tuple[str, list[str]]:
    """The repository's commit, and its files that differ from that; nothing where git knows none."""
    found = _git("rev-parse", "--show-toplevel", "HEAD")
    if len(found) != 2 or Path(found[0]) != ROOT:
        return "", []
    return found[1], [line[3:] for line in _git("status", "--porcelain", "--untracked-files=no")]


def _git(*words: str) -> list[str]:
    """The lines that git answers; none where it cannot."""
    with contextlib.suppress(OSError):
        command = ["git", "-C", str(ROOT), *words]
        said = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        return said.stdout.splitlines() if said.returncode == 0 else []
    return []


def _rules() -> dict[str, str]:
    """Hashes of the rules' files, and one of the code that they import."""
    files = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
    texts = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    imports = re.findall(r"^\s*from (scripts[\w.]*) import (.+)$", "\n".join(texts.values()), re.M)
    names = {f"{package}.{name}" for package, line in imports for name in re.findall(r"\w+", line)}
    modules = [name for name in names | {package for package, _ in imports} if is_module(name)]
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return hashes | {"scripts/lib, which the rules import,": together(modules)}


def _named(config: dict[str, Any]) -> list[str]:
    """Files of config/ apart from configs, and those that the config names: what no job makes."""
    own = {str(file) for file in Path("config").rglob("*") if file.suffix not in {".yaml", ".md", ".json"}}
    fetched = {str(Path("data", name)) for name in config.get("downloads", {})}
    found = own | set(_strings(config)) - fetched
    return sorted(filter(_is_small, found))


def _is_small(name: str) -> bool:
    with contextlib.suppress(OSError, ValueError):  # most strings of a config name no file
        return Path(name).is_file() and Path(name).stat().st_size <= LARGEST
    return False


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def _content(name: str) -> str:
    """What a file says; of Python, what it means."""
    try:
        return meaning(Path(name)) if name.endswith(".py") else digest(Path(name))
    except (OSError, SyntaxError):
        return "unreadable"
