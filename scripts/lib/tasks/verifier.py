"""A user's own verifier: a Python file that the config names as a task (`task: verifiers/mine.py`).

It defines `read(text, options=(), finish_reason="stop")`, and may define `same(a, b)` and `gold(text)`.
Nothing but the file that is named is run, and only by a step that reads answers: a plan looks at its text.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from scripts.lib.errors import UserError
from scripts.lib.tasks.base import Answer, Task, of_reply

SUFFIX = ".py"
STATUSES = ("ok", "none", "ambiguous", "truncated")


def is_verifier(name: str) -> bool:
    """Whether a task's name is the path of a verifier."""
    return name.endswith(SUFFIX)


def check(path: str) -> None:
    """Raise UserError unless the file exists, is Python, and defines `read`. Runs nothing of it."""
    tree = _parse(path, _content(path))
    if not any(_defines_read(node) for node in tree.body):
        raise UserError(f"{path} defines no `read`; define read(text, options=(), finish_reason='stop')")


def load(path: str) -> Task:
    """The task of a verifier, its name the path and a hash of the content.

    Raises UserError when the file is missing, does not run, or defines no `read`; so does what it reads, when
    the user's function raises or returns what is no answer.
    """
    return _load(path, _content(path))


@cache
def _load(path: str, content: bytes) -> Task:
    digest = hashlib.sha256(content).hexdigest()[:16]
    module = ModuleType(f"verifier_{digest}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up there
    _parse(path, content)
    try:
        exec(compile(content, path, "exec"), vars(module))
    except Exception as error:
        raise UserError(f"{path} does not run: {_said(error, path)}; mend it") from None
    read, same, gold = (getattr(module, name, None) for name in ("read", "same", "gold"))
    if not callable(read):
        raise UserError(
            f"{path} defines no `read` that can be called; define read(text, options=(), "
            "finish_reason='stop')"
        )
    return Task(
        name=f"{path}@{digest}",
        read=of_reply(_reader(path, read)),
        gold=_gold(path, gold) if gold else str.strip,
        same=_sameness(path, same) if same else None,
    )


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"the verifier {path} cannot be read ({error.strerror}); name a Python file"
        ) from None


def _parse(path: str, content: bytes) -> ast.Module:
    try:
        return ast.parse(content, path)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not Python ({error}); mend it") from None


def _defines_read(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name == "read"
    if isinstance(node, ast.ImportFrom):
        return any((alias.asname or alias.name) == "read" for alias in node.names)
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "read" for target in targets)


def _reader(path: str, read: Callable[..., Any]) -> Callable[..., Answer]:
    """The user's `read` with the arguments that it takes, its result checked and made an Answer."""
    takes = inspect.signature(read).parameters
    anything = any(each.kind is each.VAR_KEYWORD for each in takes.values())

    def reader(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
        given = {"options": tuple(options), "finish_reason": finish_reason}
        named = {name: value for name, value in given.items() if anything or name in takes}
        found = _call(path, read, text, **named)
        if found is None:
            return Answer(None, "truncated" if finish_reason in ("length", "content_filter") else "none")
        answer = Answer(found, "ok") if isinstance(found, str) else found
        if isinstance(answer, Answer) and answer.status in STATUSES:
            stated = isinstance(answer.value, str) and answer.value != ""
            if stated if answer.status == "ok" else answer.value is None:
                return answer
        raise UserError(
            f"{path}: read returned {_short(found)} for {_short(text)}; return a text, None or an Answer"
        )

    return reader


def _gold(path: str, gold: Callable[[str], Any]) -> Callable[[str], str]:
    def canonical(text: str) -> str:
        value = _call(path, gold, text)
        if not isinstance(value, str) or not value:
            raise UserError(f"{path}: gold returned {_short(value)} for {_short(text)}; return a text")
        return value

    return canonical


def _sameness(path: str, same: Callable[[str, str], Any]) -> Callable[[str, str], bool]:
    def sameness(first: str, second: str) -> bool:
        verdict = _call(path, same, first, second)
        if not isinstance(verdict, bool):
            raise UserError(
                f"{path}: same returned {_short(verdict)} for {_short(first)} and {_short(second)}; "
                "return a bool"
            )
        return verdict

    return sameness


def _call(path: str, function: Callable[..., Any], *arguments: str, **named: Any) -> Any:
    try:
        return function(*arguments, **named)
    except Exception as error:
        given = " and ".join(map(_short, arguments))
        raise UserError(
            f"{path}: {function.__name__} raised {_said(error, path)} for {given}; mend it"
        ) from None


def _said(error: Exception, path: str) -> str:
    """An error, and the last line of the user's file that it passed."""
    places, trace = [], error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            places.append(f" in line {trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{places[-1] if places else ''}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-15:]}"
