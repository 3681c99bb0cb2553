"""The results as tables: the paper's Table 3 for this run."""

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


def results(settings: Sequence[Setting], absent: Sequence[str]) -> Section:
    """Table 3: one table a benchmark, one group a (data set, teacher, student)."""
    section = Section(
        "results",
        "Results",
        "Accuracy on held-out questions, greedy decoding, as in the paper's Table 3.",
    )
    if not settings:
        return section.without("No variant has been scored yet.")
    benchmarks = list(dict.fromkeys(setting.benchmark for setting in settings))
    if len(settings) > 1 and len(benchmarks) > 1:
        section.blocks.append(_matrix(settings, benchmarks))
    for benchmark in benchmarks:
        found = [each for each in settings if each.benchmark == benchmark]
        groups = [
            Group(f"{each.dataset}: {each.teacher} → {each.student}", _result_rows(each)) for each in found
        ]
        first = held_against(found)
        columns = [
            "Method",
            "Accuracy, %",
            f"Against {first}, points",
            "p",
            "Not read, %",
            "Questions × seeds",
        ]
        section.blocks.append(Table(f"Accuracy on {benchmark}", columns, groups, _result_notes(found)))
    if absent:
        section.blocks.append(Text(f"Not scored yet: {', '.join(sorted(absent))}."))
    return section


def held_against(settings: Sequence[Setting]) -> str:
    """The name of what a table's variants are held against."""
    return " or ".join(dict.fromkeys(name(each.baseline) for each in settings))


def _result_rows(setting: Setting) -> list[list[Cell]]:
    rows = []
    for variant, result in setting.results.items():
        accuracy = Cell(
            percent(result.accuracy),
            interval(result.low, result.high),
            best=variant == setting.best,
            above_teacher=setting.above_teacher(variant),
        )
        other = result.against
        difference = (
            Cell(points(other.difference), interval(other.low, other.high, True)) if other else Cell("–")
        )
        p = Cell(probability(other.worst_p)) if other else Cell("–")
        size = f"{count(result.n)} × {len(result.seeds)}"
        rows.append(
            [Cell(name(variant)), accuracy, difference, p, Cell(percent(result.unparsed)), Cell(size)]
        )
    return rows


def _result_notes(settings: Sequence[Setting]) -> list[str]:
    several = any(len(result.seeds) > 1 for setting in settings for result in setting.results.values())
    notes = ["Bold: the best student. Blue with ▲: above its teacher. Small: 95 % intervals."]
    if several:
        notes.append(
            "Means over seeds; intervals by a paired bootstrap over seeds and questions (10,000 draws), too narrow "
            "where seeds are few. p: exact McNemar, two-sided, of the seed that differs least."
        )
    else:
        notes.append(
            "One seed: intervals speak for new questions, not for new training runs (Wilson for an accuracy, paired "
            "bootstrap for a difference). p: exact McNemar, two-sided."
        )
    notes.append("Not read: completions that state no answer, or none that can be read; they count as wrong.")
    return notes


def _matrix(settings: Sequence[Setting], benchmarks: Sequence[str]) -> Table:
    """Table 3 as printed: benchmarks side by side."""
    by_name: dict[tuple[str, str], dict[str, list[Setting]]] = {}
    for setting in settings:
        by_name.setdefault((setting.teacher, setting.student), {}).setdefault(setting.benchmark, []).append(
            setting
        )
    groups = []
    for (teacher, student), found in by_name.items():
        variants = dict.fromkeys(
            key for each in found.values() for setting in each for key in setting.results
        )
        rows = [
            [
                Cell(name(variant)),
                *(_matrix_cell(found.get(benchmark, []), variant) for benchmark in benchmarks),
            ]
            for variant in variants
        ]
        groups.append(Group(f"{teacher} → {student}", rows))
    return Table("Accuracy, %, as in the paper's Table 3", ["Method", *benchmarks], groups)


def _matrix_cell(settings: Sequence[Setting], variant: str) -> Cell:
    """One data set trains for a benchmark; where several do, the first is shown here and all below."""
    for setting in settings:
        if variant in setting.results:
            accuracy = percent(setting.results[variant].accuracy)
            return Cell(accuracy, best=variant == setting.best, above_teacher=setting.above_teacher(variant))
    return Cell("–")
