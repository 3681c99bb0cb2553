"""A training's metrics as a row of panels, the seeds of one name averaged."""

from collections.abc import Mapping, Sequence

from scripts.lib.report.drawing.charts import Series, line_panel
from scripts.lib.report.drawing.content import Figure, Key, Panel
from scripts.lib.report.drawing.styles import style, variant_styles
from scripts.lib.report.numbers.curves import Log, at, curve, mean_curve, thin
from scripts.lib.report.numbers.variants import in_order, name

Panels = Sequence[tuple[str, str, bool]]
"""Panels to draw: the metric in the log, the panel's title, and whether it is a share, shown in percent."""
FROM_ZERO = ("no_answer", "lowered", "truncated", "eval_unparsed_rate")
"""Shares of what should not happen: 0 is in sight."""


def training_figure(title: str, logs: Sequence[Log], panels: Panels, x: str, variants: bool) -> list[Figure]:
    """One figure of the panels that the logs have points for; none where they have none.

    `variants`: the logs are named after variants, each with its own colour and place; else they are numbered.
    """
    drawn: list[Panel] = []
    legend: dict[str, Key] = {}
    for metric, text, shares in panels:
        if series := mean_series(logs, metric, x, variants):
            drawn.append(line_panel(text, series, x, shares=shares, zero=metric in FROM_ZERO))
            legend |= {each.name: Key(each.name, each.css) for each in series}
    seeds = len({log.seed for log in logs})
    said = [f"Bold: the mean over {seeds} seeds; faint: each seed."] if seeds > 1 else []
    said += ["Ring: the chosen checkpoint."] if any(log.chosen is not None for log in logs) else []
    said += ["Long curves are averaged over stretches, 150 at most."] if _long(logs) else []
    return [Figure(title, drawn, " ".join(said), list(legend.values()))] if drawn else []


def _long(logs: Sequence[Log]) -> bool:
    return any(len(log.records) > 150 for log in logs)


def mean_series(logs: Sequence[Log], metric: str, x: str, variants: bool) -> list[Series]:
    """A line per name: the mean over its seeds where all have a value; none for a name without the metric.

    Measurements that are made now and then (validation) show their points.
    """
    series = []
    names = [log.name for log in logs]
    for key, css in _styles(names, variants).items():
        own = [(log, line) for log in logs if log.name == key and (line := curve(log.records, metric, x))]
        if not own:
            continue
        lines = [line for _, line in own]
        drawn = [thin(line) for line in lines]
        rings = [
            ring
            for (log, _), line in zip(own, drawn, strict=True)
            if log.chosen is not None and (ring := at(line, log.chosen))
        ]
        faint = drawn if len(lines) > 1 else []
        marked = metric.startswith(("validation", "eval"))
        label = name(key) if variants else key
        series.append(Series(label, css, thin(mean_curve(lines)), faint, marked, rings=rings))
    return series


def _styles(names: Sequence[str], variants: bool) -> Mapping[str, str]:
    if variants:
        return variant_styles(in_order(names))
    return {key: style(index) for index, key in enumerate(dict.fromkeys(names))}
