"""Lay headline and sections out: one HTML file that needs nothing else, and the same tables as Markdown."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scripts.lib.errors import visible
from scripts.lib.report.drawing.content import Cell, Headline, Section
from scripts.lib.report.drawing.data import FileNames, csv_uri

HERE = Path(__file__).parent


def html(study: str, note: str, top: Headline, sections: Sequence[Section]) -> str:
    """The page. What is not our own markup is escaped; one script may run, which the page names by hash."""
    environment = _environment(autoescape=True)
    style, script = (Markup((HERE / name).read_text(encoding="utf-8")) for name in ("style.css", "page.js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment.get_template(
        "template.html.j2", globals={"csv_uri": csv_uri, "file_name": FileNames()}
    )
    shown = {"study": study, "note": note, "top": top, "sections": sections}
    return template.render(shown, style=style, script=script, allowed=allowed) + "\n"


def markdown(study: str, note: str, top: Headline, sections: Sequence[Section]) -> str:
    """The headline and every table, for a terminal or a pull request."""
    environment = _environment(autoescape=False)
    environment.filters["cell"] = _markdown_cell
    environment.filters["plain"] = _markdown_text
    text = environment.get_template("template.md.j2").render(
        study=study, note=note, top=top, sections=sections
    )
    return text.strip() + "\n"


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["kind"] = lambda block, kind: type(block).__name__ == kind
    return environment


def _markdown_text(text: Any) -> str:
    """Text that cannot leave its cell or become markup."""
    for sign in "\\`*_[]<>|#":
        text = str(text).replace(sign, f"\\{sign}")
    return visible(text.replace("\n", " "))


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    text = f"**{text}**" if cell.best else text
    text += " ▲" if cell.above_teacher else ""
    return f"{text} ({_markdown_text(cell.detail)})" if cell.detail else text
