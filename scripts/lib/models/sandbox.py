"""Jinja from outside, in a sandbox: prompt templates of a user, chat templates of a model.

Before a template renders here it is tried in a process of its own, which may take so much time and memory
(`tried`): a loop without end or a string of gigabytes ends there, in one line, as every other mistake does.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, Template, TemplateError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from scripts.lib.errors import UserError

SECONDS, MEMORY, LENGTH = 1, 1 << 30, 1_000_000
"""What a template's trial may take: seconds of a processor (up to one more), bytes, characters of a text."""
_ROOT = Path(__file__).parents[3]
_TODAY = datetime(2024, 7, 26)
"""The date templates see (Llama 3 prints one): a prompt, and so a sample's key, must not change at
midnight."""


class Source(NamedTuple):
    """A template, and how messages name it. `strict`: an unknown name is a mistake, not an empty text."""

    text: str
    name: str
    strict: bool


class Tried(NamedTuple):
    """A rendering, or why there is none."""

    text: str
    error: str = ""


class _Generation(Extension):
    """`{% generation %}`, by which chat templates mark what a model wrote: it says nothing to a prompt."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """The marked part as it is."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


@cache
def compiled(source: Source) -> Template:
    """The template, with what transformers gives chat templates. Raises UserError where it is not Jinja."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined if source.strict else Undefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _refuse, "strftime_now": _TODAY.strftime}
    try:
        return environment.from_string(source.text)
    except (TemplateError, RecursionError, ValueError) as error:
        raise UserError(f"{source.name} is not valid Jinja: {said(error)}; mend the template") from None


def _refuse(message: object) -> None:
    raise TemplateError(str(message))


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def render(source: Source, given: Mapping[str, Any]) -> tuple[str, str]:
    """What the template sets as `system` ("" where it sets none), and its text. Raises UserError: whatever
    goes wrong is the template's."""
    try:
        module = compiled(source).make_module(dict(given))
        return str(getattr(module, "system", "")), str(module)
    except UserError:
        raise
    except Exception as error:
        raise UserError(_failed(source, error)) from None


def _failed(source: Source, error: Exception) -> str:
    return f"{source.name} cannot be rendered: {said(error)}; mend the template"


def said(error: Exception) -> str:
    """An error of Jinja, or of Python in a template, as half a line."""
    kind = "" if isinstance(error, TemplateError) else f"{type(error).__name__}: "
    line = f" (line {error.lineno})" if hasattr(error, "lineno") else ""
    return f"{kind}{' '.join(str(error).split())[:200]}{line}"


@cache
def tried(sources: tuple[Source, ...], given: str) -> tuple[tuple[Tried, ...], ...]:
    """Each template's renderings of what is `given`, a JSON list of mappings, from a process of its own.

    Raises UserError for a template that takes too long, too much memory, or writes too much.
    """
    work = json.dumps({"sources": sources, "given": json.loads(given)})
    try:
        run = subprocess.run(
            [sys.executable, "-m", "scripts.lib.models.sandbox"],
            input=work.encode(),
            capture_output=True,
            cwd=_ROOT,
            timeout=120,
        )
        out, end = run.stdout, run.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    except subprocess.TimeoutExpired as slow:
        out, end = slow.stdout or b"", []
    found = [tuple(Tried(*each) for each in json.loads(line)) for line in out.splitlines()]
    if len(found) < len(sources):
        why = f" ({end[0][:200]})" if end else ""
        raise UserError(
            f"{sources[len(found)].name} takes more than {SECONDS} s or {MEMORY >> 30} GB to render "
            f"one short question{why}; mend the template"
        )
    for source, renderings in zip(sources, found, strict=True):
        if (longest := max(len(each.text) for each in renderings)) > LENGTH:
            raise UserError(
                f"{source.name} renders {longest:,} characters for one short question, at most {LENGTH:,} "
                "make sense; mend the template"
            )
    return tuple(found)


def _trial(source: Source, given: Mapping[str, Any]) -> Tried:
    try:
        return Tried("\n\n".join(render(source, given))[: LENGTH + 1])
    except UserError as error:
        return Tried("", str(error))


def main() -> None:
    """The process of `tried`: its work on stdin, a line of JSON per template on stdout."""
    import resource

    work = json.loads(sys.stdin.read())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for source in work["sources"]:
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + SECONDS, -1))
        print(json.dumps([_trial(Source(*source), given) for given in work["given"]]), flush=True)


if __name__ == "__main__":
    main()
