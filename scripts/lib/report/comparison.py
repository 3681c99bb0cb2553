"""Several studies side by side: the settings in which they differ, and their numbers with the differences."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from scripts.lib.report.drawing.content import Cell, Group, Headline, Section, Table
from scripts.lib.report.drawing.dot_chart import DotChart, Mark, dot_axis
from scripts.lib.report.drawing.text import count, interval, percent, points
from scripts.lib.report.numbers.spending import versions
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.results_file import OfVariant, ResultsFile, Setting

Named = Sequence[tuple[str, ResultsFile]]
"""Results by the name that tells them apart; the first are what the others are held against."""
Place = tuple[str, str, str, str, str]
"""Data set, teacher, student, benchmark and measure."""
HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")
"""A commit or a SHA-256, whose first digits tell it from others."""
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
        f"{names} against {first[0]}: {clear} of {len(marks)} shared numbers differ beyond their intervals "
        "(not corrected for their number: of twenty that are the same about one does)."
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
    (one_below, one_above), (two_below, two_above) = _reach(one), _reach(two)
    low, high = math.hypot(two_below, one_above), math.hypot(two_above, one_below)
    return difference, max(-1.0, difference - low), min(1.0, difference + high)


def _reach(each: OfVariant) -> tuple[float, float]:
    """How far an interval lies below and above its value, as though 0 and 1 had not cut it off.

    A t interval, which they cut, reaches as far to either side; where both ends are cut nothing is known of
    it, and it reaches everywhere. Of Wilson's, which end there at 0 and 1 alone, this is the longer side.
    """
    below, above = each.value - each.low, each.high - each.value
    if each.low <= 0 and each.high >= 1:
        return math.inf, math.inf
    return above if each.low <= 0 else below, below if each.high >= 1 else above


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
            "the wide side. An interval that ends at 0 or 100 % counts there as its other side does; one "
            "that ends at both says nothing. The studies' own tables pair by question."
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
    """What is not the same in all: a row per key of code and configs, then of all else behind the numbers."""
    made = Section(
        "settings",
        "Settings that differ",
        "Code and resolved configs; then questions, models and versions; – where there is none.",
        made="from provenance, sampled and config in each study's results.json.",
    )
    columns = ["Key", *(label for label, _ in found)]
    unknown = any(each.provenance.changed or not each.provenance.commit for _, each in found)
    code = [_code(each) for _, each in found]
    settings = [dict(_flat(each.config, "")) for _, each in found]
    if rows := [*_rows(code, all_of_them=unknown), *_rows(settings, most=MOST)]:
        notes = ["What code holds that is no commit's is not known: it may differ under one name."] * unknown
        made.content.append(Table("Settings", columns, [Group("", rows)], notes))
    if rows := _rows([_behind(each) for _, each in found]):
        made.content.append(Table("Questions, models and versions", columns, [Group("", rows)]))
    return (
        made if made.content else made.without("Code, settings, questions, models and versions are the same.")
    )


def _rows(
    found: Sequence[dict[str, str]], all_of_them: bool = False, most: int | None = None
) -> list[list[Cell]]:
    """A row per key whose values are not the same, or for all keys; values of `most` characters."""
    rows = []
    for key in sorted({key for each in found for key in each}):
        values = [each.get(key, "–") for each in found]
        if all_of_them or len({each.get(key) for each in found}) > 1:
            rows.append([Cell(key), *(Cell(each) for each in (_shortened(values, most) if most else values))])
    return rows


def _shortened(values: Sequence[str], most: int) -> Iterator[str]:
    """Each value's first `most` characters; from a little before where they part, if that is behind these."""
    parting = len(os.path.commonprefix(values))
    start = parting - most // 2 if parting >= most else 0
    for value in values:
        cut = f"… ({count(len(value))} characters)" if len(value) > start + most else ""
        yield f"{'…' if start else ''}{value[start : start + most]}{cut}"


def _code(results: ResultsFile) -> dict[str, str]:
    made = results.provenance
    changed = (", ".join(made.changed) or "nothing") if made.commit else "not known"
    return {"commit": made.commit or "not known", "changed since": changed}


def _behind(results: ResultsFile) -> dict[str, str]:
    """Questions and models by their content (the first digits of a hash), engines and versions."""
    made = results.provenance
    found: dict[str, list[str]] = {f"version of {key}": [value] for key, value in made.versions.items()}
    found |= {each.file: [each.sha256] for each in made.questions}
    for model in made.models:
        found.setdefault(f"{model.chain}, {model.model}", []).append(f"seed {model.seed}: {model.identity}")
    known = {model.identity for model in made.models}
    for rule, said in ((each.rule, each.ledger) for each in results.sampled):
        found.setdefault(f"engine of {rule}", []).append(f"{said['engine']} ({versions(said)})")
        if said["model"] not in known:
            found.setdefault(f"model of {rule}", []).append(said["model"])
    return {key: HASH.sub(r"\1…", ", ".join(sorted(set(values)))) for key, values in found.items()}


def _flat(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """A config's values as JSON, by dotted key."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{at}.{key}" if at else str(key))
    else:
        yield at, json.dumps(value, ensure_ascii=False)
