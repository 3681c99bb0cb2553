"""The first screen: what the study found, with its doubt."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from scripts.lib.report.drawing.content import Headline
from scripts.lib.report.drawing.dot_chart import DotChart, Mark, dot_axis
from scripts.lib.report.drawing.text import NARROW, count, interval, percent, percentage, points, probability
from scripts.lib.report.numbers import results
from scripts.lib.report.numbers.results import Against, Scoreboard, by_table, corrected, held_against
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Study

MADE = "from each evaluation's scores.parquet; intervals over runs and questions."


class Compared(NamedTuple):
    """Ours against the baseline in a setting; `p`: corrected for the `tests` comparisons of its table."""

    board: Scoreboard
    against: Against
    p: float
    tests: int

    @property
    def clear(self) -> int:
        """1 or -1 where the corrected p is below 5 %, by the difference's sign; else 0."""
        return 0 if self.p >= 0.05 else 1 if self.against.whole.difference > 0 else -1


def headline(study: Study) -> Headline:
    """What the study found about Ours against SFT (else w/o R); without both, the variants there are.

    Settings whose labels are golds are counted only where there are no others: they are no method.
    """
    scoreboards = results.scoreboards(study)
    every = [
        Compared(board, ours.against, p["ours"], sum(map(len, ps)))
        for table in by_table(scoreboards)
        for ps in [corrected(table)]
        for board, p in zip(table, ps, strict=True)
        if (ours := board.results.get("ours")) and ours.against
    ]
    if not scoreboards:
        return Headline("Nothing has been scored yet.")
    if not every:
        return Headline("Ours and SFT have not both been scored yet.", chart=_variants(scoreboards[0]))
    if len(every) == 1:
        return _one(every[0])
    methods = [each for each in every if not _labelled_by_golds(study, each.board)] or every
    top = _one(methods[0]) if len(methods) == 1 else _several(methods)
    ceilings = len(every) - len(methods)
    left = [f"without {ceilings} whose labels are golds: a ceiling, no method"] if ceilings else []
    return replace(top, doubt=[*top.doubt, *left])


def _labelled_by_golds(study: Study, board: Scoreboard) -> bool:
    return bool(study.config["teachers"][board.teacher]["vote"]["by"] == "golds")


def _one(found: Compared) -> Headline:
    board, whole = found.board, found.against.whole
    ours, first = board.results["ours"], board.results[board.baseline]
    judged = board.judged
    what = (
        f"wins {percentage(ours.accuracy)} against {judged.reference}"
        if judged
        else f"gets {percentage(ours.accuracy)} of held-out questions right"
    )
    sentence = f"Distilling answers and judgement {what}; answers alone, {percentage(first.accuracy)}."
    doubt = [f"95{NARROW}% interval {interval(whole.low, whole.high, True)}"]
    if found.against.clear == 0:
        doubt.append("which includes zero: no difference is shown")
    if judged and not judged.official:
        doubt.append(f"judged by {judged.judge}: not comparable with published numbers")
    size = f"{count(ours.per_run)} {'instructions' if judged else 'questions'}"
    doubt.append(f"{size} × {len(ours.seeds)} seeds" if len(ours.seeds) > 1 else f"{size}, one seed")
    several = f", corrected for {found.tests} comparisons" if found.tests > 1 else ""
    doubt.append(f"p {_equals(probability(found.p))}{several}")
    return Headline(
        sentence,
        points(whole.difference),
        f"points{' of win rate' if judged else ''}: Ours against {name(board.baseline)}",
        doubt,
        _variants(board),
    )


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _variants(board: Scoreboard) -> DotChart:
    teacher = board.results.get("teacher")
    marks = [
        Mark(
            name(variant),
            f"v-{variant}",
            result.accuracy,
            result.low,
            result.high,
            [accuracy for accuracy, _, _ in result.seeds.values()] if len(result.seeds) > 1 else [],
            variant == "ours",
            percent(result.accuracy),
            interval(result.low, result.high),
        )
        for variant, result in board.results.items()
    ]
    reference = (teacher.accuracy, "teacher") if teacher else None
    what = f"Win rate on {board.benchmark}" if board.judged else f"Accuracy on {board.benchmark}"
    caption = f"{what}, %, with 95 % intervals"
    return DotChart(caption, marks, dot_axis(marks, reference), reference, made=MADE)


def _several(found: Sequence[Compared]) -> Headline:
    scoreboards = [each.board for each in found]
    above = sum(each.against.whole.difference > 0 for each in found)
    clear = sum(each.clear > 0 for each in found)
    below = sum(each.clear < 0 for each in found)
    differences = [each.against.whole.difference for each in found]
    mean = sum(differences) / len(found)
    names = [f"{each.teacher} → {each.student}, {each.benchmark}" for each in scoreboards]
    if len(set(names)) < len(names):
        names = [f"{each.dataset}: {label}" for each, label in zip(scoreboards, names, strict=True)]
    marks = [
        Mark(
            label,
            "v-ours" if each.clear > 0 else "",
            each.against.whole.difference,
            each.against.whole.low,
            each.against.whole.high,
            text=points(each.against.whole.difference),
            detail=interval(each.against.whole.low, each.against.whole.high, True),
        )
        for label, each in zip(names, found, strict=True)
    ]
    doubt = [
        "the mean has no interval of its own",
        f"clearly above in {clear} of them"
        + (f", clearly below in {below}" if below else "")
        + ": p below .05, corrected for all comparisons of its table",
        f"differences run from {points(min(differences))} to {points(max(differences))}",
    ]
    if any(each.judged and not each.judged.official for each in scoreboards):
        doubt.append("win rates by an own judge are not comparable with published numbers")
    first = held_against(scoreboards)
    reference = (0.0, first)
    chart = DotChart(
        f"Ours against {first}, points, with 95 % intervals",
        marks,
        dot_axis(marks, reference),
        reference,
        True,
        MADE,
    )
    alone = "supervised fine-tuning" if first == "SFT" else first
    sentence = f"Ours is above {alone} in {above} of {len(found)} settings."
    return Headline(sentence, points(mean), f"points: Ours against {first}, mean over settings", doubt, chart)
