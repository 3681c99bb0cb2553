"""The section on where Ours wins and loses against SFT, by kind of question and by seed."""

from dataclasses import replace

from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.dot_chart import DotChart, Mark, dot_axis
from scripts.lib.report.drawing.text import count, interval, percent, points
from scripts.lib.report.numbers.caveats import caveats
from scripts.lib.report.numbers.kinds import Kind, kinds
from scripts.lib.report.numbers.results import Scoreboard, scoreboards
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A chart and a table per setting in which Ours and its baseline are read; None without one."""
    made = Section(
        "wins",
        "Where Ours wins and loses",
        "The difference by kind of question, paired on the same questions and seeds. Kinds overlap and are "
        "many: of twenty intervals one leaves out the truth by chance.",
        made="from scores.parquet of both variants and of the teacher, the teacher's samples.parquet and the "
        "benchmark's queries; numbers are divided at their thirds.",
    )
    compared = [
        replace(board, results={"ours": ours, board.baseline: board.results[board.baseline]})
        for board in scoreboards(study)
        if not board.judged and (ours := board.results.get("ours")) and ours.against
    ]
    seeds = {seed for board in compared for each in board.results.values() for seed in each.seeds}
    for board in compared:
        place = f"{board.dataset}: {board.teacher} → {board.student}, {board.benchmark}"
        if found := kinds(study, board):
            weak = caveats(study, [board], seeds)
            made.content.extend([_chart(place, board, found), _table(place, board, found, weak)])
    return made if made.content else None


def _chart(place: str, board: Scoreboard, found: list[Kind]) -> DotChart:
    marks = [
        Mark(
            f"{each.of}: {each.name}",
            "v-ours" if each.difference.low > 0 or each.difference.high < 0 else "",
            each.difference.difference,
            each.difference.low,
            each.difference.high,
            text=points(each.difference.difference),
            detail=interval(each.difference.low, each.difference.high, True),
        )
        for each in found
    ]
    first = name(board.baseline)
    caption = f"Ours against {first}, points, with 95 % intervals; {place}"
    return DotChart(caption, marks, dot_axis(marks, (0.0, first)), (0.0, first), True)


def _table(place: str, board: Scoreboard, found: list[Kind], weak: list[str]) -> Table:
    columns = ["Questions", "Number", "Ours, %", f"{name(board.baseline)}, %", "Difference, points"]
    groups = [
        Group(of, [_row(each) for each in found if each.of == of])
        for of in dict.fromkeys(k.of for k in found)
    ]
    return Table(f"Ours and {name(board.baseline)} by kind of question; {place}", columns, groups, weak)


def _row(kind: Kind) -> list[Cell]:
    whole = kind.difference
    return [
        Cell(kind.name),
        Cell(count(whole.n)),
        Cell(percent(kind.first)),
        Cell(percent(kind.second)),
        Cell(points(whole.difference), interval(whole.low, whole.high, True)),
    ]
