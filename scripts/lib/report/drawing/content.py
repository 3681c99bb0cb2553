"""What a page is made of: a headline, and sections of tables, figures and examples.

Tables, figures, funnels and dot charts have `records`, the data behind them, a dict each, which the page
offers as CSV, and `made`, a line on how they came about where their section's does not say it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup

from scripts.lib.report.drawing.data import Record, said
from scripts.lib.report.drawing.dot_chart import DotChart
from scripts.lib.report.drawing.funnel import Funnel
from scripts.lib.report.drawing.styles import style_key

WORD = re.compile(r"[^\W\d_]{4}")


@dataclass(frozen=True)
class Cell:
    """A number or a word of a table; `detail` is set small beside it, the marks are shown and read aloud."""

    text: str
    detail: str = ""
    best: bool = False
    above_teacher: bool = False


@dataclass(frozen=True)
class Group:
    """Rows under one heading (empty: none). A row's first cell is its name."""

    heading: str
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Table:
    """Groups of rows under one row of column names, with notes below."""

    caption: str
    columns: list[str]
    groups: list[Group]
    notes: list[str] = field(default_factory=list)
    made: str = ""

    @property
    def title(self) -> str:
        """What the table shows."""
        return self.caption

    @property
    def words(self) -> list[bool]:
        """Of each column whether it holds words, and no numbers: the rows' names, and where a cell has a word
        of four letters ("not run" and "1 min 15 s" stand for numbers)."""
        rows = [row for group in self.groups for row in group.rows]
        held = [any(WORD.search(row[place].text) for row in rows) for place in range(len(self.columns))]
        return [True, *held[1:]]

    def records(self) -> list[Record]:
        """The rows as they are shown; what is set small has a column of its own."""
        records = []
        for group in self.groups:
            for row in group.rows:
                record: Record = {"group": group.heading} if group.heading else {}
                for column, cell in zip(self.columns, row, strict=True):
                    record[column] = said(cell.text)
                    if cell.detail:
                        record[f"{column} (small)"] = said(cell.detail)
                records.append(record)
        return records


@dataclass(frozen=True)
class Key:
    """An entry of a figure's legend: `css` is the class that holds its colour; of a line also its style."""

    name: str
    css: str

    @property
    def sign(self) -> Markup:
        """The line with its marker, where `css` is a line's; else nothing, and a swatch stands there."""
        return style_key(self.css)


@dataclass(frozen=True)
class Panel:
    """A drawing under its name, with what it draws."""

    name: str
    drawing: Markup
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """Panels side by side, a legend and a caption."""

    title: str
    panels: list[Panel]
    caption: str = ""
    legend: list[Key] = field(default_factory=list)
    made: str = ""

    def records(self) -> list[Record]:
        """What the panels draw."""
        return [{"panel": panel.name, **record} for panel in self.panels for record in panel.records]


@dataclass(frozen=True)
class Line:
    """A model's text in an example: who wrote it, the text, a verdict ("right", "wrong", "") and a remark."""

    source: str
    text: str
    verdict: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Example:
    """A question and what every stage wrote about it; `outcome`: what it exemplifies, `kind` says more."""

    outcome: str
    kind: str
    question: str
    parts: list[tuple[str, list[Line]]]


@dataclass(frozen=True)
class Examples:
    """Examples one below the other, each behind a fold, to search and to filter by outcome."""

    examples: list[Example]

    def outcomes(self) -> dict[str, int]:
        """How many examples there are of each outcome, in their order."""
        return dict(Counter(example.outcome for example in self.examples))


@dataclass(frozen=True)
class Text:
    """A paragraph, or a listing behind a `fold` of this name."""

    text: str
    fold: str = ""


@dataclass(frozen=True)
class Section:
    """A titled part of the page.

    `missing` says in a line why it is empty, `made` how its tables and figures were made: from which files,
    by what.
    """

    id: str
    title: str
    lede: str
    content: list[Table | Figure | DotChart | Funnel | Examples | Text] = field(default_factory=list)
    missing: str = ""
    made: str = ""

    def without(self, why: str) -> "Section":
        """The same section, empty, saying why."""
        return replace(self, missing=why)


@dataclass(frozen=True)
class Headline:
    """The first screen: a sentence, a number with its doubt, and a chart."""

    sentence: str
    number: str = ""
    unit: str = ""
    doubt: Sequence[str] = ()
    chart: DotChart | None = None
