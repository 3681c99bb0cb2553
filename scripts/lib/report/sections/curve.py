"""The section on what a study varies: each variant's accuracy over it."""

from collections.abc import Sequence

from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.content import Figure, Key, Section
from scripts.lib.report.drawing.styles import variant_styles
from scripts.lib.report.numbers.caveats import caveats
from scripts.lib.report.numbers.results import Result, Scoreboard, scoreboards
from scripts.lib.report.numbers.variants import in_order, name
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A panel per group of the axis with a line per variant, or None where nothing with an order varies."""
    axis = study.axis
    if axis is None:
        return None
    made = Section(
        "curve",
        f"Accuracy by {axis.label}",
        "Where does the method stop helping? Means over seeds with 95 % intervals, as in the tables above.",
        made="from each evaluation's scores.parquet, as the tables of results.",
    )
    lines = {
        title: found for title, places in axis.panels.items() if (found := _lines(scoreboards(study), places))
    }
    if not lines:
        return made.without("No row of the study stands on its axis.")
    styles = variant_styles(in_order(variant for found in lines.values() for variant in found))
    panels = [
        charts.line_panel(
            f"Accuracy, %{title and f': {title}'}",
            [_series(variant, css, found[variant]) for variant, css in styles.items() if variant in found],
            axis.label,
            shares=True,
            log=axis.log,
        )
        for title, found in lines.items()
    ]
    legend = [Key(name(variant), css) for variant, css in styles.items()]
    places = axis.panels.values()
    on_axis = [
        board for board in scoreboards(study) if any(_place(board, each) is not None for each in places)
    ]
    made.content.append(Figure(made.title, panels, " ".join(caveats(study, on_axis)), legend))
    return made


def _lines(
    boards: Sequence[Scoreboard], places: dict[str, float] | None
) -> dict[str, list[tuple[float, Result]]]:
    """By variant the results that stand on the axis, each with its place; over the teacher's accuracy that
    itself is no line."""
    lines: dict[str, list[tuple[float, Result]]] = {}
    for board in boards:
        place = _place(board, places)
        for variant, result in board.results.items():
            if place is not None and not (places is None and variant == "teacher"):
                lines.setdefault(variant, []).append((place, result))
    return lines


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
