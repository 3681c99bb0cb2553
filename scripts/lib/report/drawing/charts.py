"""Panels as inline SVG, 340 by 200: pure functions from numbers to markup, no library.

Colours come from the page's style sheet (`css` names a class that sets `--c`), text from its fonts; every
point that is drawn large holds its exact values as a tooltip, and the panel keeps all of them as records.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scripts.lib.report.drawing.content import Panel
from scripts.lib.report.drawing.data import Record
from scripts.lib.report.drawing.styles import marker
from scripts.lib.report.drawing.svg import percent_tick, plain, tag, ticks
from scripts.lib.report.drawing.text import count, percent

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line: the mean over seeds in `points`, each seed in `faint`; `css` is a style (see styles.py).

    `marked` draws every point, else the last alone; `bounds` are the points' intervals (low, high), `notes`
    what stands above them; `rings` marks places on the line or its seeds, such as the chosen checkpoints.
    """

    name: str
    css: str
    points: Sequence[Point]
    faint: Sequence[Sequence[Point]] = ()
    marked: bool = False
    bounds: Sequence[tuple[float, float]] = ()
    notes: Sequence[str] = ()
    rings: Sequence[Point] = ()

    def drawn(self) -> list[Point]:
        """Every point that has to fit into the panel."""
        ends = [(x, y) for (x, _), each in zip(self.points, self.bounds, strict=False) for y in each]
        return [*self.points, *(point for line in self.faint for point in line), *ends, *self.rings]

    def records(self) -> list[Record]:
        """A row per point: x, y, low and high where it has an interval, `run` for one seed's alone."""
        rows: list[Record] = [{"series": self.name, "x": x, "y": y} for x, y in self.points]
        for row, (low, high) in zip(rows, self.bounds, strict=False):
            row |= {"low": low, "high": high}
        for row, note in zip(rows, self.notes, strict=False):
            row["note"] = note
        for place, line in enumerate(self.faint, start=1):
            rows += [{"series": self.name, "x": x, "y": y, "run": place} for x, y in line]
        return rows + [{"series": self.name, "x": x, "y": y, "note": "chosen"} for x, y in self.rings]


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 340, 200, 44, 14, 12, 34
TIPS = 40
"""Points of a line that have a tooltip each; those of a longer one would lie on one another."""


def line_panel(
    title: str,
    series: Sequence[Series],
    x_label: str,
    *,
    shares: bool = False,
    zero: bool = False,
    whole: bool = True,
    log: bool = False,
    diagonal: bool = False,
    reference: tuple[float, str] | None = None,
    highlight: Sequence[Point] = (),
) -> Panel:
    """Lines over one x. `shares`: y in percent, x too if `x_label` ends in %, else x has `whole` ticks only.

    `log`: x above 0 by its logarithm, a tick at each point; `reference`: a named level; `diagonal`: the line
    on which y is x. Points with intervals and notes keep off the axis.
    """
    every = [point for each in series for point in each.drawn()] + list(highlight)
    heights = [y for _, y in every] + ([reference[0]] if reference else []) + ([0.0] if zero else [])
    x_shares = shares and x_label.endswith("%")
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    if diagonal:
        heights += [x_low, x_high]
    y_ticks = ticks(min(heights), max(heights), 4)
    x_ticks = [
        tick
        for tick in ticks(x_low, x_high, 6, whole=whole and not x_shares)
        if x_low - 1e-9 <= tick <= x_high + 1e-9
    ] or [x_low]
    x_ticks = sorted({x for x, _ in every}) if log else x_ticks
    scaled = math.log10 if log else float
    left, right = scaled(x_low), scaled(x_high)
    room = (right - left) * (0.05 if any(each.bounds for each in series) else 0) or 0.5 * (left == right)
    left, right = left - room, right + room

    def across(x: float) -> float:
        return LEFT + (scaled(x) - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - BOTTOM - TOP)

    x_text = percent_tick if x_shares else plain
    y_text = percent_tick if shares else plain
    parts = grid(y_ticks, y_text, up)
    for tick in x_ticks:
        parts.append(tag("text", x_text(tick), x=across(tick), y=HEIGHT - BOTTOM + 15, class_="tick middle"))
    parts.append(tag("text", x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, class_="tick middle label"))
    if reference:
        level, name = reference
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(level), y2=up(level), class_="reference"))
        parts.append(tag("text", name, x=WIDTH - RIGHT, y=up(level) - 5, class_="tick end"))
    if diagonal:
        ends = {"x1": across(x_low), "x2": across(x_high), "y1": up(x_low), "y2": up(x_high)}
        parts.append(tag("line", **ends, class_="reference"))
    for each in series:
        for line in each.faint:
            parts.append(tag("path", d=_path(line, across, up), class_=f"line faint {each.css}"))
    for each in series:
        parts.append(tag("path", d=_path(each.points, across, up), class_=f"line {each.css}"))
        for (x, _), (low, high) in zip(each.points, each.bounds, strict=False):
            ends = {"x1": across(x), "x2": across(x), "y1": up(low), "y2": up(high)}
            parts.append(tag("line", **ends, class_=f"whisker {each.css}"))
        for (x, _), (_, high), note in zip(each.points, each.bounds, each.notes, strict=False):
            parts.append(tag("text", note, x=across(x), y=up(high) - 4, class_="note middle"))
        for place, (x, y) in enumerate(each.points):
            label = tag("title", f"{each.name}: {x_label} {x_text(x)}, {y_text(y)}")
            if each.marked or place == len(each.points) - 1:
                parts.append(marker(across(x), up(y), each.css, label))
            elif len(each.points) <= TIPS:
                parts.append(tag("circle", label, cx=across(x), cy=up(y), r=6, class_="hover"))
    for x, y in [*highlight, *(ring for each in series for ring in each.rings)]:
        parts.append(tag("circle", cx=across(x), cy=up(y), r=6.5, class_="ring"))
    records = [record for each in series for record in each.records()]
    return panel(title, parts, records)


def _path(line: Sequence[Point], across, up) -> str:
    return "M" + "L".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line) if line else ""


def grid(levels: Sequence[float], text: Callable[[float], str], up: Callable[[float], float]) -> list[Markup]:
    """A line across the panel at each level, and its text beside it."""
    parts = []
    for level in levels:
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(level), y2=up(level), class_="grid"))
        parts.append(tag("text", text(level), x=LEFT - 7, y=up(level) + 3.5, class_="tick end"))
    return parts


def panel(title: str, parts: Sequence[Markup], records: Sequence[Record]) -> Panel:
    """The parts as one drawing, with its data."""
    drawing = tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=title,
        class_="panel",
    )
    return Panel(title, drawing, list(records))


def share_panel(title: str, bars: Sequence[tuple[float, int, int]], threshold: float | None) -> Panel:
    """How many queries got each vote share, split into right and wrong: bars of (share, right, wrong), one in
    a tenth at most, under its mean share; those from `threshold` on are kept."""
    highest = max((right + wrong for _, right, wrong in bars), default=1) or 1
    y_ticks = ticks(0, highest, 4)
    width = (WIDTH - LEFT - RIGHT) / 10

    def across(share: float) -> float:
        return LEFT + (max(math.floor(share * 10 + 1e-9), 1) - 1) * width

    def text(share: float) -> str:
        return f"{share:.2f}".removesuffix("0").removeprefix("0")

    def up(number: float) -> float:
        return HEIGHT - BOTTOM - number / y_ticks[-1] * (HEIGHT - BOTTOM - TOP)

    parts = grid(y_ticks, plain, up)
    for share, right, wrong in bars:
        note = f"share {share:.2f}: {count(right)} right, {count(wrong)} wrong"
        note += f", precision {percent(right / (right + wrong))} %" if right + wrong else ""
        for low, high, css in ((0, right, "right"), (right, right + wrong, "wrong")):
            parts.append(
                tag(
                    "rect",
                    tag("title", note),
                    x=across(share) + 1.5,
                    width=width - 3,
                    y=up(high),
                    height=up(low) - up(high),
                    class_=f"bar {css}",
                )
            )
        parts.append(
            tag(
                "text",
                text(share),
                x=across(share) + width / 2,
                y=HEIGHT - BOTTOM + 15,
                class_="tick middle",
            )
        )
    if threshold is not None:
        kept = [share for share, _, _ in bars if share >= threshold - 1e-9]
        x = across(min(kept, default=math.ceil(threshold * 10 - 1e-9) / 10))
        parts.append(tag("line", x1=x, x2=x, y1=TOP - 4, y2=HEIGHT - BOTTOM, class_="reference"))
        parts.append(tag("text", "kept →", x=x + 4, y=TOP + 4, class_="tick"))
    parts.append(
        tag("text", "vote share", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, class_="tick middle label")
    )
    records: list[Record] = [
        {"vote_share": share, "right": right, "wrong": wrong} for share, right, wrong in bars
    ]
    return panel(title, parts, records)
