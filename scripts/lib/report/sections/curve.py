"""The section on what a study varies: each variant's accuracy over it."""

from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.content import Figure, Key, Section
from scripts.lib.report.drawing.styles import variant_styles
from scripts.lib.report.numbers.results import Result, Scoreboard, scoreboards
from scripts.lib.report.numbers.variants import in_order, name
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A panel per benchmark with a line per variant, or None where the study varies nothing with an order."""
    axis = study.axis
    if axis is None:
        return None
    made = Section(
        "curve",
        f"Accuracy by {axis['label']}",
        "Where does the method stop helping? Means over seeds with 95 % intervals, as in the tables above.",
        made="from each evaluation's scores.parquet, as the tables of results.",
    )
    lines: dict[str, list[tuple[float, Result]]] = {}
    for board in scoreboards(study):
        place = _place(board, axis["at"])
        for variant, result in board.results.items():
            if place is not None and not (axis["at"] is None and variant == "teacher"):
                lines.setdefault(variant, []).append((place, result))
    if not lines:
        return made.without("No row of the study stands on its axis.")
    styles = variant_styles(in_order(lines))
    series = [_series(variant, css, lines[variant]) for variant, css in styles.items()]
    panel = charts.line_panel("Accuracy, %", series, axis["label"], shares=True)
    made.content.append(Figure(made.title, [panel], "", [Key(each.name, each.css) for each in series]))
    return made


def _series(variant: str, css: str, found: list[tuple[float, Result]]) -> charts.Series:
    found = sorted(found, key=lambda each: each[0])
    points = [(x, result.accuracy) for x, result in found]
    bounds = [(result.low, result.high) for _, result in found]
    return charts.Series(name(variant), css, points, marked=True, bounds=bounds)


def _place(board: Scoreboard, at: dict[str, float] | None) -> float | None:
    """Where a scoreboard stands: by the name of its data set, teacher or student, or by its teacher's
    accuracy."""
    if at is None:
        return board.results["teacher"].accuracy if "teacher" in board.results else None
    return next((at[each] for each in (board.dataset, board.teacher, board.student) if each in at), None)
