"""The section on pairs: what is left of the queries on their way to preference pairs."""

from collections.abc import Sequence

from scripts.lib.report import read
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.funnel import Bar, Funnel, Piece
from scripts.lib.report.drawing.text import count, percent
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, RewardModel, Study

SIGNS = {"teacher_student": "T⁺ ≻ S⁺", "student_student": "S⁺ ≻ S⁻", "teacher_teacher": "T⁺ ≻ T⁻"}
KINDS = {
    "teacher_student": "teacher's right over student's right",
    "student_student": "student's right over its wrong",
    "teacher_teacher": "teacher's right over its wrong",
}
BETTER = KINDS | {
    "student_student": "student's better over its worse",
    "teacher_teacher": "teacher's better over its worse",
}
"""Kinds of pairs where scores have more than two values."""
REASONS = {"below_threshold": "under the threshold", "tie": "tie", "no_answer": "no answer"}
JUDGED = {"below_threshold": "no answer of the best score", "no_answer": "no score read"}
WORDS = {
    False: (
        "Eq. 1: the teacher's samples vote",
        REASONS,
        "both right and wrong",
        {"all_right": "all right", "all_wrong": "all wrong"},
    ),
    True: (
        "Eq. 2: the teacher has an answer of the best score",
        JUDGED,
        "scores differ",
        {"all_right": "all of the best score", "all_wrong": "all of one lower score"},
    ),
}
"""By whether a judge scores: how queries are labelled, why not, and what the student's samples are like."""
LEFT_OUT = {
    "identical": "identical texts",
    "repeated": "repeated",
    "capped": "over the cap",
    "held_out": "held out for Table 9",
    "thinned": "thinned to the ratio",
}


def section(study: Study) -> Section:
    """A funnel per chain (of its first reward and seed), then the counts of every chain and reward."""
    made = Section(
        "funnel",
        "From queries to pairs",
        "Each bar is divided into what goes on (left) and what is left behind; what goes on fills the next "
        "bar.",
        made="from each reward's funnel.json, what the pairing step counted.",
    )
    found = [(chain, each, read.document(each.funnel)) for chain in study.chains for each in chain.rewards]
    if not found:
        return made.without("No pairs have been made.")
    drawn = set()
    for chain, reward, counts in found:
        if chain.name not in drawn:
            drawn.add(chain.name)
            caption = f"{chain.name}, reward {reward.reward}, seed {chain.seed}"
            made.content.append(Funnel(caption, bars(counts, chain.judged)))
    kinds = [kind for kind in KINDS if any(kind in counts["pairs"] for *_, counts in found)]
    head = ["Chain", "Seed", "Queries", "Labelled", "Mixed"]
    columns = [*head, *(SIGNS[kind] for kind in kinds), "Identical", "Over the cap"]
    rows = [_row(*each, kinds) for each in found]
    made.content.append(Table("Every chain and reward", columns, [Group("", rows)]))
    return made


def _row(chain: Chain, reward: RewardModel, counts: Record, kinds: Sequence[str]) -> list[Cell]:
    pairs = counts["pairs"]
    there = [pairs[kind] for kind in kinds if kind in pairs]
    labelled = Cell(count(counts["labelled"]), f"{percent(counts['labelled'] / max(counts['queries'], 1))} %")
    return [
        Cell(chain.name, f"{reward.reward}, after {name(reward.warmup)}"),
        Cell(str(chain.seed)),
        Cell(count(counts["queries"])),
        labelled,
        Cell(count(counts["kept"])),
        *(Cell(count(pairs[kind]["kept"] if kind in pairs else None)) for kind in kinds),
        Cell(count(sum(kind["identical"] for kind in there))),
        Cell(count(sum(kind["capped"] for kind in there))),
    ]


def bars(counts: Record, judged: bool = False) -> list[Bar]:
    """The funnel of one reward, from the pairing step's counts: queries, labelled, possible pairs, pairs."""
    how, reasons, mixed, same = WORDS[judged]
    found = []
    if counts["reasons"]:
        pieces = [Piece("labelled", counts["labelled"], "kept")]
        left = {key: number for key, number in counts["reasons"].items() if key != "ok"}
        pieces += [Piece(reasons.get(key, key), number, "lost") for key, number in left.items()]
        found.append(Bar("Queries", pieces, how))
    pieces = [Piece(mixed, counts["kept"], "kept")]
    pieces += [Piece(text, counts[key], "lost") for key, text in same.items()]
    pieces += [Piece("not sampled", counts["labelled"] - counts["sampled"], "lost")]
    pairs = {kind: counts["pairs"][kind] for kind in KINDS if kind in counts["pairs"]}
    whose = "student" if "student_student" in pairs else "teacher"
    found.append(Bar("Labelled queries", pieces, f"the {whose}'s samples, graded (Eq. 4)"))
    pieces = [Piece("kept", sum(each["kept"] for each in pairs.values()), "kept")]
    for key, text in LEFT_OUT.items():
        pieces.append(Piece(text, sum(each[key] for each in pairs.values()), "lost"))
    found.append(Bar("Possible pairs", pieces, "of samples of these queries (Eq. 5)"))
    words = BETTER if judged else KINDS
    pieces = [Piece(words[kind], each["kept"], _whose(kind)) for kind, each in pairs.items()]
    remark = ", ".join(f"{count(each['pairs'])} {part}" for part, each in counts["split"].items())
    found.append(Bar("Preference pairs", pieces, remark))
    return [Bar(each.name, [piece for piece in each.pieces if piece.number], each.remark) for each in found]


def _whose(kind: str) -> str:
    return "student" if kind == "student_student" else "teacher"
