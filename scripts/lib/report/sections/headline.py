"""The first screen: what the study found, with its doubt."""

from collections.abc import Sequence

from scripts.lib.report.drawing.content import Headline
from scripts.lib.report.drawing.dot_chart import DotChart, Mark, dot_axis
from scripts.lib.report.drawing.text import NARROW, count, interval, percent, percentage, points, probability
from scripts.lib.report.numbers import results
from scripts.lib.report.numbers.results import Against, Scoreboard, held_against
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Study

MADE = "from each evaluation's scores.parquet; intervals over runs and questions."


def headline(study: Study) -> Headline:
    """What the study found about Ours against SFT (else w/o R); without both, the variants there are."""
    scoreboards = results.scoreboards(study)
    compared = [
        (board, against)
        for board in scoreboards
        if (ours := board.results.get("ours")) and (against := ours.against)
    ]
    if not scoreboards:
        return Headline("Nothing has been scored yet.")
    if not compared:
        return Headline("Ours and SFT have not both been scored yet.", chart=_variants(scoreboards[0]))
    return _one(*compared[0]) if len(compared) == 1 else _several(compared)


def _one(board: Scoreboard, against: Against) -> Headline:
    ours, first = board.results["ours"], board.results[board.baseline]
    judged = board.judged
    what = (
        f"wins {percentage(ours.accuracy)} against {judged.reference}"
        if judged
        else f"gets {percentage(ours.accuracy)} of held-out questions right"
    )
    sentence = f"Distilling answers and judgement {what}; answers alone, {percentage(first.accuracy)}."
    whole = against.whole
    doubt = [f"95{NARROW}% interval {interval(whole.low, whole.high, True)}"]
    if against.clear == 0:
        doubt.append("which includes zero: no difference is shown")
    if judged and not judged.official:
        doubt.append(f"judged by {judged.judge}: not comparable with published numbers")
    size = f"{count(ours.per_run)} {'instructions' if judged else 'questions'}"
    doubt.append(f"{size} × {len(ours.seeds)} seeds" if len(ours.seeds) > 1 else f"{size}, one seed")
    doubt.append(f"p {_equals(probability(whole.p))}")
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


def _several(found: Sequence[tuple[Scoreboard, Against]]) -> Headline:
    scoreboards = [board for board, _ in found]
    above = sum(against.whole.difference > 0 for _, against in found)
    clear = sum(against.clear > 0 for _, against in found)
    below = sum(against.clear < 0 for _, against in found)
    differences = [against.whole.difference for _, against in found]
    mean = sum(differences) / len(found)
    names = [f"{each.teacher} → {each.student}, {each.benchmark}" for each in scoreboards]
    if len(set(names)) < len(names):
        names = [f"{each.dataset}: {label}" for each, label in zip(scoreboards, names, strict=True)]
    marks = [
        Mark(
            label,
            "v-ours" if against.clear > 0 else "",
            against.whole.difference,
            against.whole.low,
            against.whole.high,
            text=points(against.whole.difference),
            detail=interval(against.whole.low, against.whole.high, True),
        )
        for label, (_, against) in zip(names, found, strict=True)
    ]
    doubt = [
        f"the interval excludes zero in {clear} of them"
        + (f", and lies below it in {below} more" if below else ""),
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
