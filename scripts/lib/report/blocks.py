"""What a page is made of: sections of tables, figures and examples. One structure, written as HTML and as Markdown."""

from dataclasses import dataclass, field, replace

from markupsafe import Markup

NARROW = "\u202f"
MINUS = "\u2212"


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
    caption: str
    columns: list[str]
    groups: list[Group]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Key:
    """An entry of a figure's legend: `css` is the class that holds its colour."""

    name: str
    css: str


@dataclass(frozen=True)
class Panel:
    """A drawing under its name."""

    name: str
    drawing: Markup


@dataclass(frozen=True)
class Figure:
    """Panels side by side, a legend and a caption."""

    title: str
    panels: list[Panel]
    caption: str = ""
    legend: list[Key] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One model text of an example: who wrote it, the text, its verdict ("right", "wrong" or "") and a remark."""

    source: str
    text: str
    verdict: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Example:
    """A question and what every stage wrote about it."""

    kind: str
    question: str
    parts: list[tuple[str, list[Line]]]


@dataclass(frozen=True)
class Examples:
    examples: list[Example]


@dataclass(frozen=True)
class Text:
    """A paragraph, or with `preformatted` a listing behind a fold."""

    text: str
    preformatted: bool = False


@dataclass(frozen=True)
class Section:
    """A titled part of the page; `missing` says in a line why it is empty."""

    id: str
    title: str
    lede: str
    blocks: list[Table | Figure | Examples | Text] = field(default_factory=list)
    missing: str = ""

    def without(self, why: str) -> "Section":
        """The same section, empty, saying why."""
        return replace(self, missing=why)


def percent(share: float | None, digits: int = 1) -> str:
    """0.9394 -> "93.9"; None -> an en dash."""
    return "–" if share is None else f"{100 * share:.{digits}f}".replace("-", MINUS)


def percentage(share: float | None) -> str:
    """0.9394 -> "93.9 %", which no line break parts."""
    return f"{percent(share)}{NARROW}%"


def points(difference: float | None) -> str:
    """0.2331 -> "+23.3" (percentage points)."""
    if difference is None:
        return "–"
    text = f"{100 * difference:+.1f}"
    return text.replace("+", "±") if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def interval(low: float | None, high: float | None, signed: bool = False) -> str:
    """The two ends of a 95 % interval in percent, "92.6 to 95.1"."""
    if low is None or high is None:
        return ""
    each = points if signed else percent
    return f"{each(low)} to {each(high)}"


def count(number: float | None) -> str:
    """12345 -> "12,345"; None -> an en dash."""
    return "–" if number is None else f"{number:,.0f}"


def probability(p: float | None) -> str:
    """A p-value to three places, "< .001" below."""
    if p is None:
        return "–"
    return "< .001" if p < 0.001 else f"{min(p, 1.0):.3f}".removeprefix("0")


def seconds(total: float | None) -> str:
    """75.2 -> "1 min 15 s"; under a minute to a tenth."""
    if total is None:
        return "–"
    if total < 60:
        return f"{total:.1f}{NARROW}s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NARROW}h {minutes}{NARROW}min" if hours else f"{minutes}{NARROW}min {rest}{NARROW}s"
