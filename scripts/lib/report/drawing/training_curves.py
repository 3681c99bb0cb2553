"""A training's metrics as a row of panels, the seeds of one name averaged."""

from collections.abc import Sequence

from scripts.lib.report.drawing.charts import Series, line_panel
from scripts.lib.report.drawing.content import Figure, Key, Panel
from scripts.lib.report.numbers.curves import Log, curve, mean_curve
from scripts.lib.report.numbers.variants import in_order, name

Panels = Sequence[tuple[str, str, bool]]
"""Panels to draw: the metric in the log, the panel's title, and whether it is a share, shown in percent."""


def training_figure(title: str, logs: Sequence[Log], panels: Panels, x: str, variants: bool) -> list[Figure]:
    """One figure of the panels that the logs have points for; none where they have none.

    `variants`: the logs are named after variants, each with its own colour and place; else they are numbered.
    """
    drawn: list[Panel] = []
    legend: dict[str, Key] = {}
    for metric, text, shares in panels:
        if series := mean_series(logs, metric, x, variants):
            panel = line_panel(text, series, x, shares=shares, zero=metric in ("no_answer", "lowered"))
            drawn.append(panel)
            legend |= {each.css: Key(each.name, each.css) for each in series}
    seeds = len({log.seed for log in logs})
    caption = f"Bold: the mean over {seeds} seeds; faint: each seed." if seeds > 1 else ""
    return [Figure(title, drawn, caption, list(legend.values()))] if drawn else []


def mean_series(logs: Sequence[Log], metric: str, x: str, variants: bool) -> list[Series]:
    """A line per name: the mean over its seeds where all have a value; none for a name without the metric.

    Measurements that are made now and then (validation) show their points.
    """
    series = []
    names = [log.name for log in logs]
    for index, key in enumerate(in_order(names) if variants else dict.fromkeys(names)):
        lines = [found for log in logs if log.name == key and (found := curve(log.records, metric, x))]
        if not lines:
            continue
        label, css = (name(key), f"v-{key}") if variants else (key, f"c-{index}")
        faint = lines if len(lines) > 1 else []
        series.append(Series(label, css, mean_curve(lines), faint, metric.startswith(("validation", "eval"))))
    return series
