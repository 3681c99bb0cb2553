"""Panels as inline SVG, 340 by 200: pure functions from numbers to markup, no library.

Colours come from the page's style sheet (`css` names a class that sets `--c`), text from its fonts; every
point holds its exact values as a tooltip.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scripts.lib.report.drawing.content import Panel
from scripts.lib.report.drawing.svg import percent_tick, plain, tag, ticks
from scripts.lib.report.drawing.text import count, percent

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line: the mean over seeds in `points`, each seed in `faint`. `marked` draws the points too."""

    name: str
    css: str
    points: Sequence[Point]
    faint: Sequence[Sequence[Point]] = ()
    marked: bool = False


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 340, 200, 44, 14, 12, 34


def line_panel(
    title: str,
    series: Sequence[Series],
    x_label: str,
    *,
    shares: bool = False,
    zero: bool = False,
    reference: tuple[float, str] | None = None,
    highlight: Sequence[Point] = (),
) -> Panel:
    """Lines over one x. `shares`: y in percent, x too if `x_label` ends in %; `reference`: a named level."""
    every = [point for each in series for line in (each.points, *each.faint) for point in line]
    every += list(highlight)
    heights = [y for _, y in every] + ([reference[0]] if reference else []) + ([0.0] if zero else [])
    x_shares = shares and x_label.endswith("%")
    y_ticks = ticks(min(heights), max(heights), 4)
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    x_ticks = [
        tick for tick in ticks(x_low, x_high, 6, whole=not x_shares) if x_low - 1e-9 <= tick <= x_high + 1e-9
    ] or [x_low]
    if x_high == x_low:
        x_low, x_high = x_low - 0.5, x_high + 0.5

    def across(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - BOTTOM - TOP)

    x_text = percent_tick if x_shares else plain
    y_text = percent_tick if shares else plain
    parts: list[Markup] = []
    for tick in y_ticks:
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(tick), y2=up(tick), class_="grid"))
        parts.append(tag("text", y_text(tick), x=LEFT - 7, y=up(tick) + 3.5, class_="tick end"))
    for tick in x_ticks:
        parts.append(tag("text", x_text(tick), x=across(tick), y=HEIGHT - BOTTOM + 15, class_="tick middle"))
    parts.append(tag("text", x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, class_="tick middle label"))
    if reference:
        level, name = reference
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(level), y2=up(level), class_="reference"))
        parts.append(tag("text", name, x=WIDTH - RIGHT, y=up(level) - 5, class_="tick end"))
    for each in series:
        for line in each.faint:
            parts.append(tag("path", d=_path(line, across, up), class_=f"line faint {each.css}"))
    for each in series:
        parts.append(tag("path", d=_path(each.points, across, up), class_=f"line {each.css}"))
        for x, y in each.points:
            label = tag("title", f"{each.name}: {x_label} {x_text(x)}, {y_text(y)}")
            parts.append(
                tag(
                    "circle",
                    label,
                    cx=across(x),
                    cy=up(y),
                    r=2.6 if each.marked else 6,
                    class_=f"{'dot' if each.marked else 'hover'} {each.css}",
                )
            )
    for x, y in highlight:
        parts.append(tag("circle", cx=across(x), cy=up(y), r=6.5, class_="ring"))
    return _drawing(title, WIDTH, HEIGHT, parts)


def _path(line: Sequence[Point], across, up) -> str:
    return "M" + "L".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line) if line else ""


def _drawing(title: str, width: int, height: int, parts: Sequence[Markup]) -> Panel:
    drawing = tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=title,
        class_="panel",
    )
    return Panel(title, drawing)


def share_panel(title: str, bars: Sequence[tuple[float, int, int]], threshold: float | None) -> Panel:
    """How many queries got each vote share, split into right and wrong: bars of (share, right, wrong)."""
    highest = max((right + wrong for _, right, wrong in bars), default=1) or 1
    y_ticks = ticks(0, highest, 4)
    width = (WIDTH - LEFT - RIGHT) / 10

    def across(share: float) -> float:
        return LEFT + (share * 10 - 1) * width

    def up(number: float) -> float:
        return HEIGHT - BOTTOM - number / y_ticks[-1] * (HEIGHT - BOTTOM - TOP)

    parts: list[Markup] = []
    for tick in y_ticks:
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(tick), y2=up(tick), class_="grid"))
        parts.append(tag("text", plain(tick), x=LEFT - 7, y=up(tick) + 3.5, class_="tick end"))
    for share, right, wrong in bars:
        note = f"share {share:.1f}: {count(right)} right, {count(wrong)} wrong"
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
                f"{share:.1f}".removeprefix("0"),
                x=across(share) + width / 2,
                y=HEIGHT - BOTTOM + 15,
                class_="tick middle",
            )
        )
    if threshold is not None:
        x = across(math.ceil(threshold * 10 - 1e-9) / 10)
        parts.append(tag("line", x1=x, x2=x, y1=TOP - 4, y2=HEIGHT - BOTTOM, class_="reference"))
        parts.append(tag("text", "kept →", x=x + 4, y=TOP + 4, class_="tick"))
    parts.append(
        tag("text", "vote share", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, class_="tick middle label")
    )
    return _drawing(title, WIDTH, HEIGHT, parts)
