"""The paper's Table 3 for this run: accuracies over seeds, intervals, paired tests against SFT (pure functions)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from scripts.lib import tables
from scripts.lib.metrics import compare, mcnemar, mean_over_seeds, wilson
from scripts.lib.report import load

NAMES = {
    "icl": "ICL",
    "sft": "SFT",
    "wo_r": "Ours w/o R",
    "wo_d": "Ours w/o D",
    "ours": "Ours",
    "teacher": "Teacher",
    "sft_matched": "SFT, matched compute",
    "dpo": "DPO",
    "rlvr": "Label reward only",
}
"""Variants in the order of the tables: the paper's methods, its teacher, then controls."""

COLUMNS = ("dataset", "teacher", "student", "benchmark")


def name(variant: str) -> str:
    return NAMES.get(variant, variant.replace("_", " "))


def in_order(variants: Iterable[str]) -> list[str]:
    """Known variants in the order of the tables, then the others by name."""
    known = list(NAMES)
    return sorted(set(variants), key=lambda each: (known.index(each) if each in known else len(known), each))


@dataclass(frozen=True)
class Against:
    """A variant's paired difference to SFT, on the questions and seeds both have (shares, not points).

    `low`, `high`: 95 % bootstrap interval over seeds and questions; `seed_low`, `seed_high`: t interval over the
    seeds' differences (None with one seed); `tests`: seed -> exact McNemar p.
    """

    difference: float
    low: float
    high: float
    seed_low: float | None
    seed_high: float | None
    tests: dict[int, float]

    @property
    def worst_p(self) -> float | None:
        """The largest p over the seeds: small only when every seed differs from SFT."""
        return max(self.tests.values()) if self.tests else None

    @property
    def clear(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True)
class Result:
    """One variant on one benchmark, shares in 0..1.

    `low`, `high`: 95 % interval, Wilson's for one seed, else the bootstrap over seeds and questions; `seeds`: seed ->
    (accuracy, share of answers not read, questions).
    """

    variant: str
    accuracy: float
    low: float
    high: float
    unparsed: float
    seeds: dict[int, tuple[float, float, int]]
    against: Against | None = None

    @property
    def n(self) -> int:
        """Questions a seed (of the seed with the fewest)."""
        return min(n for _, _, n in self.seeds.values())


@dataclass(frozen=True)
class Setting:
    """All variants of one dataset, teacher, student and benchmark."""

    dataset: str
    teacher: str
    student: str
    benchmark: str
    results: dict[str, Result]

    @property
    def best(self) -> str:
        """The student variant with the highest accuracy, as shown to a tenth (ties go to the first)."""
        students = {key: round(each.accuracy, 3) for key, each in self.results.items() if key != "teacher"}
        return max(students, key=lambda key: students[key]) if students else ""

    def above_teacher(self, variant: str) -> bool:
        teacher = self.results.get("teacher")
        return (
            variant != "teacher" and teacher is not None and self.results[variant].accuracy > teacher.accuracy
        )


def read_settings(rows: Sequence[dict[str, Any]]) -> tuple[list[Setting], list[str]]:
    """Settings in the manifest's order, and the score files it names that are not there."""
    grouped: dict[tuple[str, ...], list[pl.DataFrame]] = {}
    absent: list[str] = []
    for row in rows:
        scores = load.table(row.get("scores"), tables.SCORES)
        if scores is None:
            absent.append(str(row.get("scores")))
            continue
        per_query = scores.group_by("query_id").agg(
            pl.col("correct").mean(), (pl.col("status") != "ok").mean().alias("unparsed")
        )
        key = tuple(str(row.get(column, "")) for column in COLUMNS)
        seed = pl.lit(int(row.get("seed", 0)), dtype=pl.Int32).alias("seed")
        grouped.setdefault(key, []).append(
            per_query.with_columns(seed, pl.lit(row["variant"]).alias("variant"))
        )
    return [Setting(*key, results=results(pl.concat(parts))) for key, parts in grouped.items()], absent


def results(scores: pl.DataFrame) -> dict[str, Result]:
    """Results by variant from `scores`: variant, seed, query_id, correct and unparsed (shares of a query's samples)."""
    runs = {
        variant: scores.filter(pl.col("variant") == variant)
        for variant in in_order(scores["variant"].unique())
    }
    return {variant: _result(variant, run, runs.get("sft")) for variant, run in runs.items()}


def _result(variant: str, run: pl.DataFrame, sft: pl.DataFrame | None) -> Result:
    by_seed = run.group_by("seed").agg(pl.col("correct", "unparsed").mean(), pl.len()).sort("seed")
    seeds = {seed: (correct, unparsed, n) for seed, correct, unparsed, n in by_seed.iter_rows()}
    if len(seeds) == 1:
        estimate = wilson(run["correct"].sum(), len(run))
    else:
        estimate = compare(run, run.with_columns(correct=pl.lit(0.0)))
    return Result(
        variant=variant,
        accuracy=float(by_seed["correct"].mean()),
        low=estimate.low,
        high=estimate.high,
        unparsed=float(by_seed["unparsed"].mean()),
        seeds=seeds,
        against=None if sft is None or variant == "sft" else against(run, sft),
    )


def against(run: pl.DataFrame, sft: pl.DataFrame) -> Against | None:
    """The paired difference of a run to SFT; None where they share no question."""
    shared = ["seed", "query_id"]
    run, sft = run.join(sft, on=shared, how="semi"), sft.join(run, on=shared, how="semi")
    if not len(run):
        return None
    whole = compare(run, sft)
    tests, differences = {}, []
    both = run.join(sft, on=shared, suffix="_sft").sort(shared)
    for (seed,), pairs in both.group_by("seed", maintain_order=True):
        gain = pairs["correct"] - pairs["correct_sft"]
        differences.append(float(gain.mean()))
        if set(gain.unique()) <= {-1.0, 0.0, 1.0}:
            tests[seed] = mcnemar(int((gain > 0).sum()), int((gain < 0).sum()))
    seeds = mean_over_seeds(differences) if len(differences) > 1 else None
    return Against(whole.difference, whole.low, whole.high, seeds and seeds.low, seeds and seeds.high, tests)


def metrics(settings: Sequence[Setting]) -> pl.DataFrame:
    """All results as `METRICS` rows: per seed, and over seeds (metrics named mean_..., seed null)."""
    rows: list[tuple[Any, ...]] = []
    for setting in settings:
        for variant, result in setting.results.items():
            head = (setting.dataset, setting.teacher, setting.student, variant)

            def add(metric: str, value: float | None, n: int, seed: int | None = None) -> None:
                if value is not None:
                    rows.append((*head, seed, setting.benchmark, metric, value, n))  # noqa: B023

            for seed, (accuracy, unparsed, n) in result.seeds.items():
                estimate = wilson(accuracy * n, n)
                add("accuracy", accuracy, n, seed)
                add("accuracy_low", estimate.low, n, seed)
                add("accuracy_high", estimate.high, n, seed)
                add("unparsed_rate", unparsed, n, seed)
                if result.against and seed in result.against.tests:
                    add("mcnemar_p", result.against.tests[seed], n, seed)
            total = sum(n for _, _, n in result.seeds.values())
            add("mean_accuracy", result.accuracy, total)
            add("mean_accuracy_low", result.low, total)
            add("mean_accuracy_high", result.high, total)
            add("mean_unparsed_rate", result.unparsed, total)
            if each := result.against:
                add("mean_difference", each.difference, total)
                add("mean_difference_low", each.low, total)
                add("mean_difference_high", each.high, total)
                add("mean_difference_seed_low", each.seed_low, total)
                add("mean_difference_seed_high", each.seed_high, total)
    return pl.DataFrame(rows, schema=tables.METRICS, orient="row")
