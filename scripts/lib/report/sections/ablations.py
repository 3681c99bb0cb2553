"""The section on the paper's ablations: Tables 1, 6 and 11 and Figure 10, each of what it compares."""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.lib.report.drawing.bars import Bar, bar_panel
from scripts.lib.report.drawing.beside import NONE, NOT_RUN, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Figure, Group, Section, Table
from scripts.lib.report.drawing.text import count, interval, percent, points, probability
from scripts.lib.report.numbers.caveats import caveats, several_tests
from scripts.lib.report.numbers.published import of_board
from scripts.lib.report.numbers.results import Scoreboard, corrected, scoreboards, within
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Study


@dataclass(frozen=True)
class Ablation:
    """What is compared, in the paper's order, and against what; shown where any of `asks` was run, too."""

    title: str
    variants: tuple[str, ...]
    against: str
    asks: frozenset[str]


TABLES = (
    Ablation(
        "Answers or reward alone (the paper's Table 1)",
        ("teacher", "icl", "wo_d", "sft"),
        "icl",
        frozenset({"wo_d"}),
    ),
    Ablation(
        "Reward designs (the paper's Table 6; CC: consistency check)",
        ("wo_r", "orm_t", "orm_s", "orm_s_checked", "unchecked", "ours"),
        "wo_r",
        frozenset({"orm_t", "orm_s", "orm_s_checked", "unchecked"}),
    ),
    Ablation(
        "Objectives (the paper's Table 11, whose SFT is w/o R)",
        ("wo_r", "dpo", "ours"),
        "wo_r",
        frozenset({"dpo"}),
    ),
)
CHECKS = {"ours": "Ours", "minus": "Minus", "unchecked": "None"}
"""Figure 10's variants and its names for them."""


def section(study: Study) -> Section | None:
    """A table per ablation, a group per data set, teacher, student and benchmark; None where none was run."""
    made = Section(
        "ablations",
        "Ablations",
        "The comparisons of the paper's Tables 1, 6 and 11 and Figure 10, each against its own baseline, on "
        "held-out questions.",
        made="from the same scores.parquet as Results.",
    )
    boards = [board for board in scoreboards(study) if not board.judged]
    for ablation in TABLES:
        if found := _found(study, boards, ablation):
            made.content.append(_table(study, found, ablation))
    for board in boards:
        if "ours" in board.results and {"minus", "unchecked"} & board.results.keys():
            made.content.append(_checks(board))
    return made if made.content else None


def _found(study: Study, boards: Sequence[Scoreboard], ablation: Ablation) -> list[Scoreboard]:
    return [
        within(study, board, ablation.variants, ablation.against)
        for board in boards
        if ablation.against in board.results and ablation.asks & board.results.keys()
    ]


def _table(study: Study, found: Sequence[Scoreboard], ablation: Ablation) -> Table:
    ps = corrected(found)
    groups = []
    for board, p in zip(found, ps, strict=True):
        theirs = of_board(study, board, "accuracy")
        rows = []
        for variant in ablation.variants:
            paper = Cell(theirs.get(variant, NONE))
            if (result := board.results.get(variant)) is None:
                rows.append([Cell(name(variant)), Cell(NOT_RUN), paper, *[Cell(NONE)] * 3])
                continue
            gain = result.against.whole if result.against else None
            rows.append(
                [
                    Cell(name(variant)),
                    Cell(percent(result.accuracy), interval(result.low, result.high), variant == board.best),
                    paper,
                    Cell(points(gain.difference), interval(gain.low, gain.high, True))
                    if gain
                    else Cell(NONE),
                    Cell(probability(p.get(variant))),
                    Cell(f"{count(result.per_run)} × {len(result.seeds)}"),
                ]
            )
        heading = f"{board.dataset}: {board.teacher} → {board.student}, on {board.benchmark}"
        groups.append(Group(heading, rows))
    against = f"Against {name(ablation.against)}, points"
    columns = ["Method", "Accuracy, %", f"{PAPER}, %", against, "p", "Questions × runs"]
    notes = [*caveats(study, found), "Small: 95 % intervals, as in Results.", *several_tests(ps)]
    return beside(ablation.title, columns, groups, notes)


def _checks(board: Scoreboard) -> Figure:
    """Figure 10: accuracy by what the consistency check does to r where the answer is not the label's."""
    bars = [
        Bar(text, result.accuracy, result.low, result.high, 1.0 if variant == "ours" else 0.4)
        for variant, text in CHECKS.items()
        if (result := board.results.get(variant))
    ]
    panel = bar_panel(f"Accuracy on {board.benchmark}, %", [("consistency check", bars)], zero=False)
    caption = (
        "Ours: min(r, 0) where the answer differs from the label; Minus: r − 1; None: r. 95 % intervals."
    )
    title = f"Consistency checks (the paper's Figure 10), {board.dataset}: {board.teacher} → {board.student}"
    return Figure(title, [panel], caption)
