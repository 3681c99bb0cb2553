"""The section on several answers at inference: accuracy over their number, by the rule that takes one."""

from collections.abc import Sequence

import polars as pl

from scripts.lib.data import tables
from scripts.lib.evaluation.intervals import Estimate, matrix, over_runs
from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.content import Cell, Figure, Group, Key, Section, Table
from scripts.lib.report.drawing.styles import style
from scripts.lib.report.drawing.text import count, interval, percent
from scripts.lib.report.numbers.caveats import of_runs
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Evaluation, Study

RULES = {"mean": "one answer", "majority": "majority", "best_of_n": "best by", "oracle": "oracle"}
"""In the order of columns and curves."""

Place = tuple[str, str]
"""Benchmark with its chain, and the variant whose student answers."""
Curves = dict[str, dict[int, Estimate]]
"""By rule (of best_of_n by its reward model, too): accuracy by the number of answers."""


def section(study: Study) -> Section | None:
    """A figure and a table per benchmark, chain and student; None where nothing is answered repeatedly."""
    places: dict[Place, list[Evaluation]] = {}
    for run in study.evaluations:
        if run.growth:
            whose = study.config["variants"][run.variant]["samples_of"]
            place = f"{run.benchmark}, {run.dataset}: {run.teacher} → {run.student}"
            places.setdefault((place, whose), []).append(run)
    if not places:
        return None
    made = Section(
        "repeated",
        "Several answers at inference",
        "Accuracy where one of n sampled answers is taken: the commonest (a tie has no winner), the one that "
        "the reward model scores best, or by an oracle a right one if there is any. n answers cost n times "
        "the inference of the rows above.",
        made="from each evaluation's growth.parquet: of a question the mean over all subsets of its samples.",
    )
    seeds = {run.seed for runs in places.values() for run in runs}
    for (place, whose), runs in places.items():
        growth = [_growth(run) for run in runs]
        curves = _curves(study, runs, growth)
        weak = of_runs(runs, min(each["query_id"].n_unique() for each in growth), seeds)
        made.content.extend([_figure(place, name(whose), curves), _table(place, name(whose), curves, weak)])
    return made


def _growth(run: Evaluation) -> pl.DataFrame:
    assert run.growth is not None
    return tables.read(run.growth, tables.GROWTH).with_columns(seed=pl.lit(run.seed))


def _curves(study: Study, runs: Sequence[Evaluation], growth: Sequence[pl.DataFrame]) -> Curves:
    """Means over seeds and questions; what two variants measure alike is taken once."""
    found: dict[str, dict[int, pl.DataFrame]] = {}
    for run, table in zip(runs, growth, strict=True):
        for rule, title in RULES.items():
            mine = table.filter(pl.col("rule") == rule)
            if not mine.is_empty():
                title += f" {study.config['variants'][run.variant]['reward']}" if rule == "best_of_n" else ""
                found.setdefault(title, {})[run.seed] = mine
    return {title: _by_number(pl.concat(found[title].values())) for title in sorted(found, key=_place)}


def _place(title: str) -> int:
    return next(at for at, start in enumerate(RULES.values()) if title.startswith(start))


def _by_number(growth: pl.DataFrame) -> dict[int, Estimate]:
    parts = growth.sort("n").partition_by("n", maintain_order=True)
    return {part["n"][0]: over_runs(matrix(part)) for part in parts}


def _figure(place: str, whose: str, curves: Curves) -> Figure:
    series = [
        charts.Series(
            rule,
            style(at),
            [(n, each.value) for n, each in curve.items()],
            marked=True,
            bounds=[(each.low, each.high) for each in curve.values()],
        )
        for at, (rule, curve) in enumerate(curves.items())
    ]
    panel = charts.line_panel("Accuracy, %", series, "answers to a question", shares=True)
    caption = f"{place}. Answers of {whose}. Each point is the mean over all subsets of the samples."
    return Figure(
        "Accuracy over the number of answers", [panel], caption, [Key(each.name, each.css) for each in series]
    )


def _table(place: str, whose: str, curves: Curves, weak: Sequence[str]) -> Table:
    sizes = sorted({n for curve in curves.values() for n in curve})
    rows = [[Cell(str(n)), *(_cell(curve.get(n)) for curve in curves.values())] for n in sizes]
    questions = max(each.n for curve in curves.values() for each in curve.values())
    notes = [*weak, f"Small: 95 % intervals. {count(questions)} questions."]
    heads = [f"{rule[0].upper()}{rule[1:]}, %" for rule in curves]
    return Table(f"{place}: {whose}", ["Answers", *heads], [Group("", rows)], notes)


def _cell(found: Estimate | None) -> Cell:
    return Cell(percent(found.value), interval(found.low, found.high)) if found else Cell("–")
