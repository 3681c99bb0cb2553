"""Bars as inline SVG, 340 by 200, as `charts.py` draws lines: side by side with intervals, or stacked."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scripts.lib.report.drawing.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, grid, panel
from scripts.lib.report.drawing.content import Panel
from scripts.lib.report.drawing.data import Record
from scripts.lib.report.drawing.svg import percent_tick, tag, ticks
from scripts.lib.report.drawing.text import count, interval, percent

GAP = 0.35
"""Room between clusters of bars, in bars."""


@dataclass(frozen=True)
class Bar:
    """A share with its 95 % interval under its name; `shade` from 0, light, to 1, dark."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    shade: float = 1.0


@dataclass(frozen=True)
class Part:
    """A piece of a stacked bar: how many, its class, and whether it agrees with what the bar says."""

    name: str
    number: int
    css: str
    agrees: bool = True


def bar_panel(title: str, clusters: Sequence[tuple[str, Sequence[Bar]]], zero: bool = True) -> Panel:
    """Clusters of bars, in percent, their names and those of their bars below; `zero`: the axis begins at 0.

    Raises ValueError without a bar.
    """
    bars = [bar for _, cluster in clusters for bar in cluster]
    ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    y_ticks = ticks(0.0 if zero else min(ends), max(ends), 4)
    width = (WIDTH - LEFT - RIGHT) / (len(bars) + GAP * len(clusters))

    def up(share: float) -> float:
        return HEIGHT - BOTTOM - (share - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - BOTTOM - TOP)

    parts = grid(y_ticks, percent_tick, up)
    x = LEFT + GAP * width / 2
    for name, cluster in clusters:
        middle = x + width * len(cluster) / 2
        parts.append(tag("text", name, x=middle, y=HEIGHT - 4, class_="tick middle label"))
        for bar in cluster:
            parts += _bar(bar, x, width, up(bar.value), up(y_ticks[0]))
            if bar.low is not None and bar.high is not None:
                place = {"x1": x + width / 2, "x2": x + width / 2, "y1": up(bar.low), "y2": up(bar.high)}
                parts.append(tag("line", **place, class_="whisker c-6"))
            x += width
        x += GAP * width
    records: list[Record] = [
        {"cluster": name, "bar": bar.name, "value": bar.value, "low": bar.low, "high": bar.high}
        for name, cluster in clusters
        for bar in cluster
    ]
    return panel(title, parts, records)


def _bar(bar: Bar, x: float, width: float, top: float, bottom: float) -> list[Markup]:
    note = f"{bar.name}: {percent(bar.value)}"
    if said := interval(bar.low, bar.high):
        note += f" ({said})"
    body = {"x": x + 1.5, "width": width - 3, "y": top, "height": max(bottom - top, 0.0)}
    return [
        tag("rect", tag("title", note), **body, fill_opacity=0.2 + 0.8 * bar.shade, class_="bar c-0"),
        tag("text", bar.name, x=x + width / 2, y=HEIGHT - BOTTOM + 15, class_="tick middle"),
    ]


def stacked_panel(title: str, bars: Sequence[tuple[str, Sequence[Part]]]) -> Panel:
    """Bars of counted parts, from the bottom up, as shares of all bars' sum; what disagrees is dashed."""
    total = sum(part.number for _, parts in bars for part in parts) or 1
    highest = max(sum(part.number for part in parts) for _, parts in bars) / total
    y_ticks = ticks(0.0, highest, 4)
    width = (WIDTH - LEFT - RIGHT) / len(bars)

    def up(share: float) -> float:
        return HEIGHT - BOTTOM - share / y_ticks[-1] * (HEIGHT - BOTTOM - TOP)

    drawn = grid(y_ticks, percent_tick, up)
    for index, (name, parts) in enumerate(bars):
        x, low = LEFT + (index + 0.2) * width, 0.0
        drawn.append(tag("text", name, x=x + 0.3 * width, y=HEIGHT - BOTTOM + 15, class_="tick middle"))
        for part in parts:
            high = low + part.number / total
            body = {"x": x, "width": 0.6 * width, "y": up(high), "height": up(low) - up(high)}
            note = tag(
                "title", f"{name}, {part.name}: {count(part.number)} ({percent(part.number / total)} %)"
            )
            css = f"bar {part.css}{'' if part.agrees else ' against'}"
            drawn.append(tag("rect", note, **body, class_=css))
            low = high
    records: list[Record] = [
        {"bar": name, "part": part.name, "n": part.number} for name, parts in bars for part in parts
    ]
    return panel(title, drawn, records)
