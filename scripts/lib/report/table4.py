"""The win rates as a table: the paper's Table 4 for this run."""

from collections.abc import Sequence

from scripts.lib.report.blocks import (
    Cell,
    Group,
    Section,
    Table,
    Text,
    count,
    interval,
    percent,
    points,
    probability,
)
from scripts.lib.report.results import Setting, name
from scripts.lib.report.table3 import held_against


def _columns(against: str) -> list[str]:
    rates = ["Win rate, %", "LC win rate, %", f"Win rate against {against}, points", "p"]
    return ["Method", *rates, f"LC against {against}", "Not valid, %", "Characters", "Instructions × seeds"]


def win_rates(settings: Sequence[Setting], absent: Sequence[str]) -> Section:
    """Table 4: one table a benchmark and judge, one group a (data set, teacher, student)."""
    section = Section(
        "winrates",
        "Win rates",
        "How often a judge prefers a model's answer to the reference's, greedy decoding, by AlpacaEval 2's own package: "
        "the paper's Table 4.",
    )
    for benchmark, judged in dict.fromkeys((each.benchmark, each.judged) for each in settings):
        found = [each for each in settings if (each.benchmark, each.judged) == (benchmark, judged)]
        groups = [Group(f"{each.dataset}: {each.teacher} → {each.student}", _rows(each)) for each in found]
        caption = f"Win rates on {benchmark} against {judged.reference}, judged by {judged.judge}"
        if not judged.official:
            caption += ": not comparable with published numbers"
        section.blocks.append(Table(caption, _columns(held_against(found)), groups, _notes(found)))
    if absent:
        section.blocks.append(Text(f"Not scored yet: {', '.join(sorted(absent))}."))
    return section


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rows(setting: Setting) -> list[list[Cell]]:
    controlled = {
        key: _mean([each.controlled for each in result.rates.values()])
        for key, result in setting.results.items()
    }
    rows = []
    for key, result in setting.results.items():
        rates, other = list(result.rates.values()), result.against
        first, own = controlled.get(setting.baseline), controlled[key]
        further = None if other is None or first is None or own is None else own - first
        best = key == setting.best
        rows.append(
            [
                Cell(name(key)),
                Cell(
                    percent(result.accuracy),
                    _error([each.error for each in rates]),
                    best,
                    setting.above_teacher(key),
                ),
                Cell(percent(own), _error([each.controlled_error for each in rates])),
                Cell(points(other.difference), interval(other.low, other.high, True)) if other else Cell("–"),
                Cell(probability(other.p)) if other else Cell("–"),
                Cell(points(further)),
                Cell(percent(result.unparsed)),
                Cell(count(_mean([each.length for each in rates]))),
                Cell(f"{count(result.n)} × {len(result.seeds)}"),
            ]
        )
    return rows


def _error(errors: Sequence[float]) -> str:
    return f"SE {percent(_mean(errors))}" if errors else ""


def _notes(settings: Sequence[Setting]) -> list[str]:
    several = any(len(result.seeds) > 1 for setting in settings for result in setting.results.values())
    notes = [
        "Bold: the student with the best win rate. Blue with ▲: above its teacher. SE: the package's standard error over "
        "instructions" + (", of several seeds their mean." if several else "."),
        "LC: length-controlled. Differences are paired on the judge's preferences for the same instructions, with a 95 % "
        "bootstrap interval (10,000 draws"
        + (" of seeds and instructions" if several else "")
        + ") and its p, two-sided; of LC, which is fitted over all instructions, only the difference is given.",
        "Not valid: responses that are empty, cut off, or one passage over and over; they are judged like any other. "
        "No preference is missing: one that is makes the scoring step fail.",
    ]
    if not several:
        notes.append("One seed: intervals speak for new instructions, not for new training runs.")
    return notes
