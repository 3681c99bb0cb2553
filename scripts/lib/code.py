"""The fingerprint of a step's code: it changes when the meaning changes of anything the step can import.

Comments, docstrings and formatting do not count; neither do modules that the step cannot reach.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "scripts"


def fingerprint(module: str, root: Path = ROOT) -> str:
    """SHA-256 prefix (16 hex digits) over the syntax trees of `module` and of every project module it imports.

    Only static, absolute imports are followed. Raises FileNotFoundError for a module that does not exist.
    """
    total = hashlib.sha256()
    for name in sorted(_reachable(module, root)):
        total.update(f"{name}\0{_meaning(_file(name, root))}\0".encode())
    return total.hexdigest()[:16]


def _reachable(module: str, root: Path) -> set[str]:
    seen: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        queue += [parent for parent in _parents(name) if parent not in seen]
        queue += [found for found in _imports(_file(name, root), root) if found not in seen]
    return seen


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _file(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(path: Path, root: Path) -> set[str]:
    return {name for name in _named(path, path.stat().st_mtime_ns) if _file(name, root).is_file()}


@cache
def _named(path: Path, mtime: int) -> set[str]:
    """Modules of the project that a file may import; `from a import b` names both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(_tree(path, mtime)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return {name for name in found if name.split(".")[0] == PACKAGE}


@cache
def _tree(path: Path, _mtime: int) -> ast.Module:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_prose(item)] or [ast.Pass()]
    return tree


def _is_prose(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def _dump(path: Path, mtime: int) -> str:
    return ast.dump(_tree(path, mtime))


def _meaning(path: Path) -> str:
    return _dump(path, path.stat().st_mtime_ns)
