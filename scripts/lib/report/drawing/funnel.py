"""The data funnel as wide as the page: bars divided into what goes on and what is left behind.

Texts are HTML, bars inline SVG without a viewBox, placed in percent, so that they stretch with the page and
their strokes do not.
"""

from dataclasses import dataclass

from markupsafe import Markup

from scripts.lib.report.drawing.data import Record
from scripts.lib.report.drawing.svg import tag
from scripts.lib.report.drawing.text import count, percent

GOES_ON = {"kept": "yes", "lost": "no"}


@dataclass(frozen=True)
class Piece:
    """A piece of a bar: what it is, how many, and its class (kept pieces flow on)."""

    name: str
    number: int
    css: str


@dataclass(frozen=True)
class Bar:
    """A row of the funnel: its pieces fill the width; the kept come first and widen into the next row."""

    name: str
    pieces: list[Piece]
    remark: str = ""

    @property
    def total(self) -> int:
        """How many stand in the row."""
        return sum(piece.number for piece in self.pieces)

    @property
    def kept(self) -> float:
        """Percent of the row that flows on."""
        return 100 * sum(piece.number for piece in self.pieces if piece.css == "kept") / (self.total or 1)

    def share(self, piece: Piece) -> str:
        """A piece's percent of the row, with a decimal below 1."""
        return percent(piece.number / (self.total or 1), 0 if piece.number * 100 >= self.total else 1)

    def drawing(self) -> Markup:
        """The row's bar; its pieces in percent of the width."""
        at, parts = 0.0, []
        for piece in self.pieces:
            width = 100 * piece.number / (self.total or 1)
            label = tag("title", f"{piece.name}: {count(piece.number)} ({self.share(piece)} %)")
            place = {"x": f"{at:.2f}%", "width": f"{width:.2f}%"}
            parts.append(tag("rect", label, **place, y=0, height="100%", class_=piece.css))
            if at:
                parts.append(tag("line", x1=f"{at:.2f}%", x2=f"{at:.2f}%", y1=0, y2="100%", class_="gap"))
            at += width
        return tag("svg", *parts, class_="segments", aria_hidden="true")

    def link(self) -> Markup:
        """The kept piece widening into the next row."""
        shape = tag("polygon", points=f"0,0 {self.kept:.2f},0 100,10 0,10")
        box = {"viewBox": "0 0 100 10", "preserveAspectRatio": "none"}
        return tag("svg", shape, **box, class_="link", aria_hidden="true")


@dataclass(frozen=True)
class Funnel:
    """Bars from the top down."""

    caption: str
    bars: list[Bar]
    made: str = ""

    @property
    def title(self) -> str:
        """What the funnel shows."""
        return self.caption

    def records(self) -> list[Record]:
        """A row per piece of a bar; `goes_on`: yes for what flows into the next bar."""
        return [
            {"bar": bar.name, "piece": each.name, "number": each.number, "goes_on": GOES_ON.get(each.css, "")}
            for bar in self.bars
            for each in bar.pieces
        ]
