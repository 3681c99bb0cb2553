"""The fingerprint of a step's code: it changes when the meaning changes of anything the step can import.

Comments, docstrings and formatting do not count; neither do modules that the step cannot reach. What a file means is
remembered by its content in `.snakemake/code.json`: every start of Snakemake needs all fingerprints, two starts a SLURM job,
and parsing all files anew took over a second of each.
"""

import ast
import hashlib
import json
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scripts.lib.data.files import write_json

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "scripts"
MANY = 1000
"""Files remembered before those of the past are forgotten."""


def fingerprint(module: str, root: Path = ROOT) -> str:
    """SHA-256 prefix (16 hex digits) over the syntax trees of `module` and of every project module it imports.

    Only static, absolute imports are followed. Raises FileNotFoundError for a module that does not exist.
    """
    total = hashlib.sha256()
    for name in sorted(_reachable(module, root)):
        total.update(f"{name}\0{_facts(name, root).meaning}\0".encode())
    _memory(root).save()
    return total.hexdigest()[:16]


class Facts(NamedTuple):
    """What a file tells: the project's modules that it may import, and the hash of its syntax tree without prose."""

    imports: list[str]
    meaning: str


class Memory:
    """Facts by the hash of a file's text, as the present Python and the present module find them."""

    def __init__(self, path: Path) -> None:
        self.path, self.grown = path, False
        self.maker = [platform.python_version(), _hash(Path(__file__).read_bytes())]
        self.used: dict[str, Facts] = {}
        try:
            kept = json.loads(path.read_text())
            self.kept = kept["files"] if kept["maker"] == self.maker else {}
        except (OSError, ValueError, KeyError, TypeError):
            self.kept = {}

    def facts(self, text: bytes) -> Facts:
        """Those of a file's text, remembered or read from it."""
        key = _hash(text)
        if key not in self.used:
            known = self.kept.get(key)
            self.grown |= known is None
            self.used[key] = Facts(*known) if known else _parse(text)
        return self.used[key]

    def save(self) -> None:
        """Write what was used, if anything is new; where nothing can be written, nothing is remembered."""
        if not self.grown:
            return
        files = self.used | (self.kept if len(self.kept) < MANY else {})
        with suppress(OSError):
            write_json({"maker": self.maker, "files": files}, self.path, indent=None)
        self.grown = False


@cache
def _memory(root: Path) -> Memory:
    return Memory(root / ".snakemake" / "code.json")


def _reachable(module: str, root: Path) -> set[str]:
    seen: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        queue += [parent for parent in _parents(name) if parent not in seen]
        imported = [found for found in _facts(name, root).imports if found not in seen]
        queue += [found for found in imported if _file(found, root).is_file()]
    return seen


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _file(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _facts(name: str, root: Path) -> Facts:
    path = _file(name, root)
    return _facts_of(path, path.stat().st_mtime_ns, root)


@cache
def _facts_of(path: Path, _mtime: int, root: Path) -> Facts:
    return _memory(root).facts(path.read_bytes())


def _parse(text: bytes) -> Facts:
    """`from a import b` names both a and a.b."""
    tree = ast.parse(text)
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_prose(item)] or [ast.Pass()]
        elif isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imports.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    own = sorted(name for name in imports if name.split(".")[0] == PACKAGE)
    return Facts(own, _hash(ast.dump(tree).encode()))


def _is_prose(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
