"""A dot chart as wide as the page: values with their intervals; texts are HTML, marks are inline SVG.

The SVG has no viewBox and places everything in percent, so that it stretches with the page and its strokes do
not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scripts.lib.report.drawing.data import Record
from scripts.lib.report.drawing.svg import percent_tick, tag, ticks


@dataclass(frozen=True)
class Mark:
    """A row of a dot chart: a value with its 95 % interval, each seed's value, and how it is drawn."""

    name: str
    css: str
    value: float
    low: float | None = None
    high: float | None = None
    seeds: Sequence[float] = ()
    strong: bool = False
    text: str = ""
    detail: str = ""


@dataclass(frozen=True)
class DotChart:
    """A dot chart as a table: a row per mark, one axis, an optional named level such as the teacher's."""

    caption: str
    marks: list[Mark]
    axis: list[float]
    reference: tuple[float, str] | None = None
    signed: bool = False
    made: str = ""

    @property
    def title(self) -> str:
        """What the chart shows."""
        return self.caption

    def records(self) -> list[Record]:
        """A row per mark, shares in 0..1: its value with its interval, then each seed's value."""
        records = []
        for mark in self.marks:
            record: Record = {"name": mark.name, "value": mark.value, "low": mark.low, "high": mark.high}
            records.append(record | {f"run {place}": seed for place, seed in enumerate(mark.seeds, start=1)})
        return records

    def place(self, value: float) -> str:
        """Where `value` lies, in percent of the width."""
        low, high = self.axis[0], self.axis[-1]
        return f"{100 * min(max((value - low) / (high - low), 0.0), 1.0):.2f}%"

    def tick(self, value: float) -> str:
        text = percent_tick(value)
        return f"+{text}" if self.signed and value > 0 else text

    def track(self, mark: Mark) -> Markup:
        """The drawing of one row; without a viewBox, so that it stretches and its strokes do not."""
        parts = [
            tag("line", x1=self.place(t), x2=self.place(t), y1=0, y2="100%", class_="grid") for t in self.axis
        ]
        if self.reference:
            x = self.place(self.reference[0])
            parts.append(tag("line", x1=x, x2=x, y1=0, y2="100%", class_="reference"))
        if mark.low is not None and mark.high is not None:
            parts.append(
                tag(
                    "line",
                    x1=self.place(mark.low),
                    x2=self.place(mark.high),
                    y1="50%",
                    y2="50%",
                    class_="whisker",
                )
            )
        parts += [tag("circle", cx=self.place(seed), cy="50%", r=2.2, class_="seed") for seed in mark.seeds]
        parts.append(
            tag("circle", cx=self.place(mark.value), cy="50%", r=5.5 if mark.strong else 4.5, class_="dot")
        )
        return tag("svg", *parts, class_=f"track {mark.css}", aria_hidden="true")


def dot_axis(marks: Sequence[Mark], reference: tuple[float, str] | None = None) -> list[float]:
    """Ticks that cover every mark, its interval and its seeds."""
    values = [
        value
        for mark in marks
        for value in (mark.value, mark.low, mark.high, *mark.seeds)
        if value is not None
    ]
    return ticks(min(values + ([reference[0]] if reference else [])), max(values), 5)
