"""The section on win rates: the paper's Table 4 for this run."""

from collections.abc import Mapping, Sequence

from scripts.lib.report.drawing.beside import NONE, NOT_RUN, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Group, Section
from scripts.lib.report.drawing.text import count, interval, percent, points, probability
from scripts.lib.report.numbers.caveats import caveats, several_tests
from scripts.lib.report.numbers.published import of_board
from scripts.lib.report.numbers.results import Scoreboard, by_table, corrected, held_against, scoreboards
from scripts.lib.report.numbers.variants import in_order, name
from scripts.lib.report.study import Study


def _columns(against: str) -> list[str]:
    rates = [
        "Win rate, %",
        f"{PAPER}, %",
        "LC win rate, %",
        f"{PAPER}: LC, %",
        f"Win rate against {against}, points",
        "p",
    ]
    return ["Method", *rates, f"LC against {against}", "Not valid, %", "Characters", "Instructions × runs"]


def section(study: Study) -> Section | None:
    """A table per benchmark and judge, a group per data set, teacher and student; None without a judge."""
    made = Section(
        "winrates",
        "Win rates",
        "How often a judge prefers a model's answer to the reference's, greedy decoding, by AlpacaEval 2's "
        "own package: the paper's Table 4.",
        made="from each evaluation's scores.parquet and metrics.json, as AlpacaEval's package wrote them.",
    )
    tables = by_table(each for each in scoreboards(study) if each.judged)
    for found in tables:
        benchmark, judged, ps = found[0].benchmark, found[0].judged, corrected(found)
        assert judged is not None
        groups = [
            Group(f"{each.dataset}: {each.teacher} → {each.student}", _rows(study, each, p))
            for each, p in zip(found, ps, strict=True)
        ]
        caption = f"Win rates on {benchmark} against {judged.reference}, judged by {judged.judge}"
        if not judged.official:
            caption += ": not comparable with published numbers"
        notes = [*caveats(study, found), *_notes(found), *several_tests(ps)]
        made.content.append(beside(caption, _columns(held_against(found)), groups, notes))
    return made if tables else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rows(study: Study, board: Scoreboard, ps: Mapping[str, float]) -> list[list[Cell]]:
    """A row per variant, ours or the paper's, whose win rates are the official judge's."""
    official = board.judged is not None and board.judged.official
    paper = [of_board(study, board, metric) if official else {} for metric in ("win_rate", "lc_win_rate")]
    controlled = {
        key: _mean([each.controlled for each in result.rates.values()])
        for key, result in board.results.items()
    }
    rows = []
    for key in in_order([*board.results, *paper[0]]):
        theirs, theirs_controlled = (Cell(each.get(key, NONE)) for each in paper)
        if key not in board.results:
            ours = Cell(NOT_RUN)
            rows.append([Cell(name(key)), ours, theirs, ours, theirs_controlled, *[Cell(NONE)] * 6])
            continue
        result = board.results[key]
        rates = list(result.rates.values())
        other = result.against.whole if result.against else None
        first, own = controlled.get(board.baseline), controlled[key]
        further = None if other is None or first is None or own is None else own - first
        best = key == board.best
        rows.append(
            [
                Cell(name(key)),
                Cell(
                    percent(result.accuracy),
                    _error([each.error for each in rates]),
                    best,
                    board.above_teacher(key),
                ),
                theirs,
                Cell(percent(own), _error([each.controlled_error for each in rates])),
                theirs_controlled,
                Cell(points(other.difference), interval(other.low, other.high, True)) if other else Cell("–"),
                Cell(probability(ps.get(key))),
                Cell(points(further)),
                Cell(percent(result.unparsed)),
                Cell(count(_mean([each.length for each in rates]))),
                Cell(f"{count(result.per_run)} × {len(result.seeds)}"),
            ]
        )
    return rows


def _error(errors: Sequence[float]) -> str:
    return f"SE {percent(_mean(errors))}" if errors else ""


def _notes(scoreboards: Sequence[Scoreboard]) -> list[str]:
    several = any(len(result.seeds) > 1 for board in scoreboards for result in board.results.values())
    notes = [
        "Bold: the student with the best win rate. Blue with ▲: above its teacher. SE: the package's "
        "standard error over "
        "instructions" + (", of several seeds their mean." if several else "."),
        "LC: length-controlled. Differences are paired on the judge's preferences for the same "
        "instructions, with a 95 % t interval over "
        + ("runs and instructions" if several else "instructions")
        + " and its p, two-sided; of LC, which is fitted over all instructions, "
        "only the difference is given.",
        "Not valid: responses that are empty, cut off, or one passage over and over; they are judged like "
        "any other. No preference is missing: one that is makes the scoring step fail.",
    ]
    if not several:
        notes.append("One seed: intervals speak for new instructions, not for new training runs.")
    return notes
