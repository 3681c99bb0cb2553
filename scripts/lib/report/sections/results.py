"""The section on accuracies: the paper's Table 3 for this run."""

from collections.abc import Mapping, Sequence

from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import count, interval, percent, points, probability
from scripts.lib.report.numbers.caveats import caveats, several_tests
from scripts.lib.report.numbers.results import Scoreboard, corrected, held_against, scoreboards
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A table per benchmark, a group per data set, teacher and student; None if a judge compares on all."""
    made = Section(
        "results",
        "Results",
        "Accuracy on held-out questions, greedy decoding, as in the paper's Table 3.",
        made="from each evaluation's scores.parquet (an answer read per question, held against its gold); "
        "intervals and p as the notes say.",
    )
    every = scoreboards(study)
    read = [each for each in every if not each.judged]
    if not read:
        return None if every else made.without("No variant has been scored yet.")
    benchmarks = list(dict.fromkeys(each.benchmark for each in read))
    if len(read) > 1 and len(benchmarks) > 1:
        made.content.append(_matrix(read, benchmarks))
    for benchmark in benchmarks:
        found = [each for each in read if each.benchmark == benchmark]
        ps = corrected(found)
        groups = [
            Group(f"{each.dataset}: {each.teacher} → {each.student}", _result_rows(each, p))
            for each, p in zip(found, ps, strict=True)
        ]
        against = f"Against {held_against(found)}, points"
        columns = ["Method", "Accuracy, %", against, "p", "Not read, %", "Questions × runs"]
        notes = [*caveats(study, found), *_result_notes(found), *several_tests(ps)]
        made.content.append(Table(f"Accuracy on {benchmark}", columns, groups, notes))
    return made


def _result_rows(board: Scoreboard, ps: Mapping[str, float]) -> list[list[Cell]]:
    rows = []
    for variant, result in board.results.items():
        accuracy = Cell(
            percent(result.accuracy),
            interval(result.low, result.high),
            best=variant == board.best,
            above_teacher=board.above_teacher(variant),
        )
        other = result.against.whole if result.against else None
        difference = (
            Cell(points(other.difference), interval(other.low, other.high, True)) if other else Cell("–")
        )
        p = Cell(probability(ps.get(variant)))
        size = f"{count(result.per_run)} × {len(result.seeds)}"
        rows.append(
            [Cell(name(variant)), accuracy, difference, p, Cell(percent(result.unparsed)), Cell(size)]
        )
    return rows


def _result_notes(scoreboards: Sequence[Scoreboard]) -> list[str]:
    several = any(len(result.seeds) > 1 for board in scoreboards for result in board.results.values())
    notes = ["Bold: the best student. Blue with ▲: above its teacher. Small: 95 % intervals."]
    if several:
        notes.append(
            "Means over seeds; intervals and p, two-sided, speak for new training runs and new questions: a "
            "t interval over runs, wider where the runs answer the same questions. A model that is evaluated "
            "once for several seeds counts as one run."
        )
    else:
        notes.append(
            "One seed: intervals speak for new questions, not for new training runs (Wilson for an "
            "accuracy, Bonett and Price for a difference). p: exact McNemar, two-sided."
        )
    notes.append("Not read: completions that state no answer, or none that can be read; they count as wrong.")
    return notes


def _matrix(scoreboards: Sequence[Scoreboard], benchmarks: Sequence[str]) -> Table:
    """Table 3 as printed: benchmarks side by side."""
    by_name: dict[tuple[str, str], dict[str, list[Scoreboard]]] = {}
    for board in scoreboards:
        by_name.setdefault((board.teacher, board.student), {}).setdefault(board.benchmark, []).append(board)
    groups = []
    for (teacher, student), found in by_name.items():
        variants = dict.fromkeys(key for each in found.values() for board in each for key in board.results)
        rows = [
            [
                Cell(name(variant)),
                *(_matrix_cell(found.get(benchmark, []), variant) for benchmark in benchmarks),
            ]
            for variant in variants
        ]
        groups.append(Group(f"{teacher} → {student}", rows))
    return Table("Accuracy, %, as in the paper's Table 3", ["Method", *benchmarks], groups)


def _matrix_cell(scoreboards: Sequence[Scoreboard], variant: str) -> Cell:
    """One data set trains for a benchmark; where several do, the first is shown here and all below."""
    for board in scoreboards:
        if variant in board.results:
            accuracy = percent(board.results[variant].accuracy)
            return Cell(accuracy, best=variant == board.best, above_teacher=board.above_teacher(variant))
    return Cell("–")
