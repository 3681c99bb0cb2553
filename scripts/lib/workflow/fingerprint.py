"""The fingerprint of a step's code: it changes when the meaning changes of anything the step can import.

Comments, docstrings and formatting do not count, nor what is said to people: a line on the terminal, the
message of an error, a warning, a default's source. Neither do modules that the step cannot reach.

What a file means is kept in `.snakemake/code` under its hash: every start of Snakemake needs all
fingerprints, a SLURM job starts it twice, and parsing all files anew takes 0.9 s. Where a module lies is
looked up once in a process: the steps import the same ones, and ten thousand looks take 0.3 s.
"""

import ast
import builtins
import hashlib
import json
import platform
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scripts.lib.data.files import write_json

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "scripts"

ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
SPEAKERS = {
    *ERRORS,
    "UserError",
    "Source",
    "print",
    "warnings.warn",
    *(f"{who}.{level}" for who in ("logger", "logging") for level in LEVELS),
}
"""Calls whose texts only people read. Another error's text counts: code may tell it by that."""
TERMINAL = {"sys.stderr", "sys.stdout"}


def fingerprint(module: str, root: Path = ROOT) -> str:
    """SHA-256 prefix (16 hex digits) over what `module` and every project module that it imports mean."""
    return together([module], root)


def together(modules: Iterable[str], root: Path = ROOT) -> str:
    """One fingerprint of several modules.

    Only static, absolute imports are followed. Raises FileNotFoundError for a module that does not exist.
    """
    total = hashlib.sha256()
    for name in sorted(_reachable(modules, root)):
        total.update(f"{name}\0{_facts(name, root).meaning}\0".encode())
    return total.hexdigest()[:16]


def meaning(file: Path, root: Path = ROOT) -> str:
    """The hash of what one file means, whatever it imports: a user's own verifier."""
    return _facts_of(file, file.stat().st_mtime_ns, root).meaning


@cache
def is_module(name: str, root: Path = ROOT) -> bool:
    """Whether a module or package of this name is the project's."""
    return _file(name, root).is_file()


class Facts(NamedTuple):
    """A file: the project's modules that it may import, and the hash of its syntax tree without words."""

    imports: list[str]
    meaning: str


def _reachable(modules: Iterable[str], root: Path) -> set[str]:
    seen: set[str] = set()
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        queue += [parent for parent in _parents(name) if parent not in seen]
        imported = [found for found in _facts(name, root).imports if found not in seen]
        queue += [found for found in imported if is_module(found, root)]
    return seen


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@cache
def _file(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _facts(name: str, root: Path) -> Facts:
    path = _file(name, root)
    return _facts_of(path, path.stat().st_mtime_ns, root)


@cache
def _facts_of(path: Path, _mtime: int, root: Path) -> Facts:
    """Kept or parsed; where nothing can be written, nothing is kept."""
    text = path.read_bytes()
    kept = root / ".snakemake" / "code" / _hash(_maker(), text)
    try:
        return Facts(*json.loads(kept.read_text()))
    except (OSError, ValueError, TypeError):
        facts = _parse(text)
    with suppress(OSError):
        write_json(facts, kept, indent=None)
    return facts


@cache
def _maker() -> bytes:
    """Another Python's syntax tree, and what another version of this module makes of it, are other facts."""
    return platform.python_version().encode() + Path(__file__).read_bytes()


def _parse(text: bytes) -> Facts:
    """`from a import b` names both a and a.b."""
    tree = ast.parse(text)
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imports.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    own = sorted(name for name in imports if name.split(".")[0] == PACKAGE)
    return Facts(own, _hash(ast.dump(_WithoutWords().visit(tree)).encode()))


def _hash(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


class _WithoutWords(ast.NodeTransformer):
    """Takes out of a syntax tree what is there for people to read."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """A docstring, or a call that does nothing but speak: no statement at all."""
        self.generic_visit(node)
        call = node.value
        silent = isinstance(call, ast.Call) and _speaks(call) and not (call.args or call.keywords)
        return None if silent or (isinstance(call, ast.Constant) and isinstance(call.value, str)) else node

    def visit_Pass(self, node: ast.Pass) -> None:
        """What stands where a docstring might."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _speaks(node):
            node.args = [value for value in node.args if not _is_text(value)]
            node.keywords = [key for key in node.keywords if key.arg not in {"file", "flush", "sep", "end"}]
        return self.generic_visit(node)


def _speaks(call: ast.Call) -> bool:
    """Whether people read what is said: not a print into a file, which may be what the step makes."""
    into = [key.value for key in call.keywords if key.arg == "file"]
    return _name(call.func) in SPEAKERS and all(_name(file) in TERMINAL for file in into)


def _name(node: ast.expr) -> str:
    """`a` or `a.b`, "" for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.expr) -> bool:
    """Whether an expression only makes text: a literal, with what is put into it, or texts put together."""
    if any(
        isinstance(part, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for part in ast.walk(node)
    ):
        return False
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left) or _is_text(right)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_text(body) and _is_text(orelse)
        case ast.Call(func=ast.Attribute(value=value, attr="join" | "format")):
            return _is_text(value)
    return False
