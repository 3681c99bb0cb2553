"""A config is data: what may stand in one, before its blocks are checked.

YAML's `safe_load` builds no objects. Here its aliases are bounded, a key that stands twice is an error, and a
text is one that a command line, a file name and a terminal can take.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.errors import UserError, shown

MOST = 100_000
"""Values of a config, what an alias repeats counted each time; the paper's matrix has 600."""
DEPTH = 20
"""Blocks within one another."""
LONGEST = 10_000
"""Characters of a text: a shell takes 131,072 a command."""
CODE = ("__use_yte__", "__definitions__")
"""Keys by which Snakemake takes a config for a template of Python (YTE)."""
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of surrogate pairs."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{shown(key.value)} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(file: Path) -> dict:
    """One config file. Raises UserError where it is missing, no YAML, no keys, or no data."""
    if file.exists() and not file.is_file():
        raise UserError(f"{file}: no file; name a config file")
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; name a config file that exists") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file}: no YAML: {_said(error)}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{file}: a number or a nesting that is too large; mend it") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: no keys; a config is blocks of named settings")
    check(content, str(file))
    return content


def _said(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without the text around it."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{getattr(error, 'problem', None) or 'unreadable'}"[:200]


def check(raw: dict, source: str) -> None:
    """Raise UserError for a config that is no plain data, or too much of it: code, a text that no command
    line takes, aliases that repeat one another without end."""
    for key in CODE:
        if key in raw:
            raise UserError(
                f"{source}: {key} makes a config a program, which Snakemake would run; a config is data: "
                "write the values themselves"
            )
    count = _count(raw, (), source, {})
    if count > MOST:
        raise UserError(f"{source}: {count:,} values with all that its aliases repeat; at most {MOST:,}")


def _count(value: Any, path: tuple, source: str, known: dict[int, int]) -> int:
    """Values in a value, itself included. Raises UserError for one that is none of a config's."""
    where = f"{source}: {place(path)}"
    if len(path) > DEPTH:
        raise UserError(f"{where}: more than {DEPTH} blocks within one another; a config is flat")
    if isinstance(value, str):
        _check_text(value, where)
    elif isinstance(value, dict | list):
        if id(value) not in known:
            items = list(value.items() if isinstance(value, dict) else enumerate(value))
            for key, _ in items:
                if isinstance(key, str):
                    _check_text(key, where)
            known[id(value)] = 1 + sum(_count(item, (*path, key), source, known) for key, item in items)
        return known[id(value)]
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise UserError(f"{where}: a whole number of over 64 bits; mend it")
    elif not isinstance(value, int | float | date | None):
        raise UserError(f"{where}: {type(value).__name__} is no plain data; write a text, number or list")
    return 1


def _check_text(text: str, where: str) -> None:
    if len(text) > LONGEST:
        raise UserError(f"{where}: {shown(text)} has {len(text):,} characters; at most {LONGEST:,}")
    if found := _INVISIBLE.search(text):
        raise UserError(f"{where}: {shown(text)} holds U+{ord(found[0]):04X}, a control character; remove it")


def place(path: tuple | list) -> str:
    """Keys that lead to a value, as `teachers.big.vote`; what is no name is quoted."""
    return ".".join(
        str(part) if re.fullmatch(r"[\w.\[\]-]{1,100}", str(part)) else shown(part) for part in path
    )
