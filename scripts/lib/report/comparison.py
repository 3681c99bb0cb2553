"""Several studies side by side: the settings in which they differ, and their numbers with the differences."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from scripts.lib.report.drawing.content import Cell, Group, Headline, Section, Table
from scripts.lib.report.drawing.dot_chart import DotChart, Mark, dot_axis
from scripts.lib.report.drawing.text import count, interval, percent, points
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.results_file import OfVariant, ResultsFile, Setting

Named = Sequence[tuple[str, ResultsFile]]
"""Results by the name that tells them apart; the first are what the others are held against."""
Place = tuple[str, str, str, str, str]
"""Data set, teacher, student, benchmark and measure."""
MOST = 60
"""Characters of a setting's value that are shown."""


def sections(found: Named) -> list[Section]:
    """Numbers, then settings."""
    return [_numbers(found), _settings(found)]


def headline(found: Named) -> Headline:
    """How many numbers are shared, how many differ beyond their intervals, and a chart of the differences."""
    first, *others = found
    marks = []
    for label, other in others:
        for place, variant, one, two in _shared(first[1], other):
            difference, low, high = apart(one, two)
            where = f"{name(variant)}, {place[3]}" + (f", {label}" if len(others) > 1 else "")
            css = "v-ours" if low > 0 or high < 0 else ""
            text, detail = points(difference), interval(low, high, True)
            marks.append(Mark(where, css, difference, low, high, text=text, detail=detail))
    if not marks:
        return Headline(
            "These studies share no number: no data set, models, benchmark and variant are the same."
        )
    clear = sum(bool(mark.css) for mark in marks)
    names = " and ".join(label for label, _ in others)
    sentence = (
        f"{names} against {first[0]}: {clear} of {len(marks)} shared numbers differ beyond their intervals."
    )
    reference = (0.0, first[0])
    caption = "Differences in points, with 95 % intervals"
    return Headline(
        sentence, chart=DotChart(caption, marks, dot_axis(marks, reference), reference, True, MADE)
    )


MADE = "from each study's results.json; intervals of differences by Zou and Donner's MOVER (2008)."


def apart(one: OfVariant, two: OfVariant) -> tuple[float, float, float]:
    """Two minus one with a 95 % interval, from the intervals of both (MOVER, Zou and Donner 2008, Eq. 2).

    As though they were independent: where both answered the same questions, it is on the wide side.
    """
    difference = two.value - one.value
    low = math.hypot(two.value - two.low, one.high - one.value)
    high = math.hypot(two.high - two.value, one.value - one.low)
    return difference, difference - low, difference + high


def _by_place(results: ResultsFile) -> dict[Place, Setting]:
    return {
        (each.dataset, each.teacher, each.student, each.benchmark, each.measure): each
        for each in results.settings
    }


def _shared(first: ResultsFile, other: ResultsFile) -> Iterator[tuple[Place, str, OfVariant, OfVariant]]:
    there = _by_place(other)
    for place, setting in _by_place(first).items():
        if place in there:
            known = {each.variant: each for each in there[place].variants}
            for each in setting.variants:
                if each.variant in known:
                    yield place, each.variant, each, known[each.variant]


def _numbers(found: Named) -> Section:
    """A table per place, a row per variant, a value per study, and each other's difference to the first's."""
    made = Section(
        "numbers",
        "Numbers",
        "Accuracies (or win rates) with 95 % intervals, and differences to the first; small: intervals.",
        made=MADE,
    )
    places = list(dict.fromkeys(place for _, each in found for place in _by_place(each)))
    for place in places:
        columns = ["Method", *(f"{label}, %" for label, _ in found)]
        columns += [f"{label} against {found[0][0]}, points" for label, _ in found[1:]]
        there = [_by_place(each).get(place) for _, each in found]
        known = [{each.variant: each for each in setting.variants} if setting else {} for setting in there]
        variants = dict.fromkeys(variant for each in known for variant in each)
        rows = [_row(variant, [each.get(variant) for each in known]) for variant in variants]
        dataset, teacher, student, benchmark, measure = place
        caption = f"{measure.replace('_', ' ').capitalize()} on {benchmark}; {dataset}: {teacher} → {student}"
        notes = [
            "Differences as though the questions were others: where they are the same, the intervals are on "
            "the wide side. The studies' own tables pair by question."
        ]
        made.content.append(Table(caption, columns, [Group("", rows)], notes))
    return made if places else made.without("None of these studies has scored anything.")


def _row(variant: str, values: Sequence[OfVariant | None]) -> list[Cell]:
    cells = [_value(each) for each in values]
    for each in values[1:]:
        if values[0] and each:
            difference, low, high = apart(values[0], each)
            cells.append(Cell(points(difference), interval(low, high, True)))
        else:
            cells.append(Cell("–"))
    return [Cell(name(variant)), *cells]


def _value(each: OfVariant | None) -> Cell:
    if each is None:
        return Cell("–")
    return Cell(percent(each.value), f"{interval(each.low, each.high)}, n = {count(each.n)}")


def _settings(found: Named) -> Section:
    """The commits, and a row per key of the resolved configs, where they are not the same in all."""
    made = Section(
        "settings", "Settings that differ", "Code and resolved configs; – where there is none.",
        made="from provenance and config in each study's results.json.",
    )  # fmt: skip
    flat = [{"commit": each.provenance.commit or "–", **dict(_flat(each.config, ""))} for _, each in found]
    keys = sorted({key for each in flat for key in each})
    rows = [
        [Cell(key), *(Cell(each.get(key, "–")) for each in flat)]
        for key in keys
        if len({each.get(key) for each in flat}) > 1
    ]
    if not rows:
        return made.without("All settings are the same.")
    made.content.append(Table("Settings", ["Key", *(label for label, _ in found)], [Group("", rows)]))
    return made


def _flat(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """A config's values as JSON, shortened, by dotted key."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{at}.{key}" if at else str(key))
    else:
        text = json.dumps(value, ensure_ascii=False)
        yield at, text if len(text) <= MOST else f"{text[:MOST]}… ({count(len(text))} characters)"
