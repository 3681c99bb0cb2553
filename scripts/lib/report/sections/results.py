"""The section on accuracies: the paper's Table 3 for this run."""

from collections.abc import Mapping, Sequence

from scripts.lib.report.drawing.beside import NONE, NOT_RUN, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import count, interval, percent, points, probability
from scripts.lib.report.numbers.caveats import caveats, several_tests
from scripts.lib.report.numbers.published import of_board
from scripts.lib.report.numbers.results import Scoreboard, by_table, corrected, held_against, scoreboards
from scripts.lib.report.numbers.variants import in_order, name
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
        made.content.append(_matrix(study, read, benchmarks))
    made.content.extend(_table(study, found) for found in by_table(read))
    return made


def _table(study: Study, found: Sequence[Scoreboard]) -> Table:
    """All scoreboards of a benchmark; the paper's own numbers in a column of their own, where it has any."""
    ps = corrected(found)
    theirs = [of_board(study, board, "accuracy") for board in found]
    groups = [
        Group(f"{board.dataset}: {board.teacher} → {board.student}", _result_rows(board, p, paper))
        for board, p, paper in zip(found, ps, theirs, strict=True)
    ]
    columns = ["Method", "Accuracy, %", f"{PAPER}, %", f"Against {held_against(found)}, points", "p"]
    columns += ["Not read, %", "Questions × runs"]
    notes = [*caveats(study, found), *_result_notes(found), *several_tests(ps)]
    return beside(f"Accuracy on {found[0].benchmark}", columns, groups, notes)


def _result_rows(board: Scoreboard, ps: Mapping[str, float], paper: Mapping[str, str]) -> list[list[Cell]]:
    """A row per variant, ours or the paper's, in the order of the tables."""
    rows = []
    for variant in in_order([*board.results, *paper]):
        theirs = Cell(paper.get(variant, NONE))
        if variant not in board.results:
            rows.append([Cell(name(variant)), Cell(NOT_RUN), theirs, *[Cell(NONE)] * 4])
            continue
        result = board.results[variant]
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
            [Cell(name(variant)), accuracy, theirs, difference, p, Cell(percent(result.unparsed)), Cell(size)]
        )
    return rows


def _result_notes(scoreboards: Sequence[Scoreboard]) -> list[str]:
    several = any(len(result.seeds) > 1 for board in scoreboards for result in board.results.values())
    notes = ["Bold: the best student. Blue with ▲: above its teacher. Small: 95 % intervals."]
    if several:
        notes.append(
            "Means over seeds; intervals and p, two-sided, speak for new training runs and new questions: a "
            "t interval over runs, wider where the runs answer the same questions, and never narrower than "
            "for these runs and new questions, as few runs may agree by chance. A model that is evaluated "
            "once for several seeds counts as one run."
        )
    else:
        notes.append(
            "One seed: intervals speak for new questions, not for new training runs (Wilson for an "
            "accuracy, Bonett and Price for a difference). p: exact McNemar, two-sided."
        )
    notes.append("Not read: completions that state no answer, or none that can be read; they count as wrong.")
    return notes


def _matrix(study: Study, scoreboards: Sequence[Scoreboard], benchmarks: Sequence[str]) -> Table:
    """Table 3 as printed: benchmarks side by side, the paper's own numbers beside those it has.

    A group per teacher and student; per data set, too, where several are evaluated on the same benchmark.
    """
    pairs: dict[tuple[str, str], list[Scoreboard]] = {}
    for board in scoreboards:
        pairs.setdefault((board.teacher, board.student), []).append(board)
    groups: dict[str, dict[str, Scoreboard]] = {}
    for (teacher, student), found in pairs.items():
        alone = len({board.benchmark for board in found}) == len(found)
        for board in found:
            heading = f"{teacher} → {student}" if alone else f"{board.dataset}: {teacher} → {student}"
            groups.setdefault(heading, {})[board.benchmark] = board
    columns = ["Method", *(column for each in benchmarks for column in (each, f"{PAPER}: {each}"))]
    rows = [Group(heading, _matrix_rows(study, found, benchmarks)) for heading, found in groups.items()]
    return beside("Accuracy, %, as in the paper's Table 3", columns, rows, caveats(study, scoreboards))


def _matrix_rows(
    study: Study, found: Mapping[str, Scoreboard], benchmarks: Sequence[str]
) -> list[list[Cell]]:
    """A row per variant, ours or the paper's: on each benchmark its accuracy and the paper's number."""
    theirs = {benchmark: of_board(study, board, "accuracy") for benchmark, board in found.items()}
    variants = [key for each in found.values() for key in each.results]
    rows = []
    for variant in in_order([*variants, *(key for each in theirs.values() for key in each)]):
        row = [Cell(name(variant))]
        for benchmark in benchmarks:
            paper = theirs.get(benchmark, {}).get(variant, NONE)
            cell, board = Cell(NONE if paper == NONE else NOT_RUN), found.get(benchmark)
            if board and variant in board.results:
                accuracy = percent(board.results[variant].accuracy)
                cell = Cell(accuracy, best=variant == board.best, above_teacher=board.above_teacher(variant))
            row += [cell, Cell(paper)]
        rows.append(row)
    return rows
