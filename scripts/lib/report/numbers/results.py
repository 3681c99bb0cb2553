"""The numbers of Tables 3 and 4: accuracies and win rates over seeds, intervals, paired tests against SFT.

A win rate is treated as an accuracy: of an instruction it is the judge's preference for the model's output,
in 0..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.evaluation.alpaca import Verdicts, verdicts_of
from scripts.lib.evaluation.intervals import Comparison, Estimate, compare, mcnemar, mean_over_seeds, wilson
from scripts.lib.report import read
from scripts.lib.report.numbers.variants import baseline, in_order, name
from scripts.lib.report.study import Evaluation, Study
from scripts.lib.tasks.bulk import read_answers
from scripts.lib.tasks.open import OPEN

Place = tuple[str, str, str, str]
"""Data set, teacher, student and benchmark."""


@dataclass(frozen=True)
class Against:
    """A variant's paired difference to the baseline, on the questions and seeds both have (as shares).

    `low`, `high`: 95 % bootstrap interval over seeds and questions; `seed_low`, `seed_high`: t interval over
    the seeds' differences (None with one seed); `tests`: seed -> exact McNemar p; `p`: of the bootstrap,
    where there is more than one seed or more to a question than right and wrong.
    """

    difference: float
    low: float
    high: float
    seed_low: float | None
    seed_high: float | None
    tests: dict[int, float]
    p: float

    @property
    def worst_p(self) -> float | None:
        """The largest p over the seeds: small only when every seed differs."""
        return max(self.tests.values()) if self.tests else None

    @property
    def clear(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True)
class WinRate:
    """What AlpacaEval's package made of a run, shares of 1; `length`: characters of an output, on average."""

    error: float
    controlled: float
    controlled_error: float
    length: float


@dataclass(frozen=True)
class Result:
    """One variant on one benchmark, shares in 0..1.

    `low`, `high`: 95 % interval, Wilson's for one seed, else the bootstrap over seeds and questions; `seeds`:
    seed -> (accuracy, share of answers not read, questions). Where a judge compared: `accuracy` is the win
    rate, what is not read is the responses that are not valid, and `rates` holds AlpacaEval's own numbers by
    seed.
    """

    variant: str
    accuracy: float
    low: float
    high: float
    unparsed: float
    seeds: dict[int, tuple[float, float, int]]
    against: Against | None = None
    rates: dict[int, WinRate] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Questions a seed (of the seed with the fewest)."""
        return min(n for _, _, n in self.seeds.values())


@dataclass(frozen=True)
class Scoreboard:
    """All variants of a data set, teacher, student and benchmark; `judged`: by whom, if no answer is read."""

    dataset: str
    teacher: str
    student: str
    benchmark: str
    results: dict[str, Result]
    judged: Verdicts | None = None

    @property
    def baseline(self) -> str:
        """What the others are held against: SFT, or w/o R where a study has no SFT (Table 6)."""
        return baseline(self.results)

    @property
    def best(self) -> str:
        """The student variant with the highest accuracy, as shown to a tenth (ties go to the first)."""
        students = {key: round(each.accuracy, 3) for key, each in self.results.items() if key != "teacher"}
        return max(students, key=lambda key: students[key]) if students else ""

    def above_teacher(self, variant: str) -> bool:
        """Whether a student variant has a higher accuracy than its teacher."""
        teacher = self.results.get("teacher")
        return (
            variant != "teacher" and teacher is not None and self.results[variant].accuracy > teacher.accuracy
        )


@cache
def scoreboards(study: Study) -> list[Scoreboard]:
    """The results of a study, in the order of its rows; worked out once."""
    grouped: dict[Place, list[pl.DataFrame]] = {}
    rates: dict[Place, dict[tuple[str, int], WinRate]] = {}
    judges: dict[Place, Verdicts] = {}
    for run in study.evaluations:
        key = (run.dataset, run.teacher, run.student, run.benchmark)
        scores = tables.read(run.scores, tables.SCORES)
        if run.judged:
            judges[key], rate = win_rate(read.document(run.metrics))
            rates.setdefault(key, {})[run.variant, run.seed] = rate
            correct = pl.col("answer").cast(pl.Float64)
            scores = scores.with_columns(correct, correct.alias("correct")).join(
                _validity(run), on=["query_id", "sample_id"], how="left"
            )
            unread = pl.col("valid").not_().fill_null(False)
        else:
            unread = pl.col("status") != "ok"
        per_query = scores.group_by("query_id").agg(pl.col("correct").mean(), unread.mean().alias("unparsed"))
        grouped.setdefault(key, []).append(
            per_query.with_columns(
                pl.lit(run.seed, dtype=pl.Int32).alias("seed"), pl.lit(run.variant).alias("variant")
            )
        )
    return [
        Scoreboard(*key, results(pl.concat(parts), rates.get(key)), judges.get(key))
        for key, parts in grouped.items()
    ]


def held_against(scoreboards: Sequence[Scoreboard]) -> str:
    """The name of what a table's variants are held against."""
    return " or ".join(dict.fromkeys(name(each.baseline) for each in scoreboards))


def win_rate(metrics: dict[str, Any]) -> tuple[Verdicts, WinRate]:
    """Who judged, and AlpacaEval's numbers, in a metrics.json."""
    name = next(each for each in metrics if each.startswith("win_rate"))
    whole, controlled = metrics[name], metrics["length_controlled_" + name.replace("win_rate", "winrate", 1)]
    return verdicts_of(name), WinRate(
        whole["standard_error"],
        controlled["value"],
        controlled["standard_error"],
        metrics["avg_length"]["value"],
    )


def _validity(run: Evaluation) -> pl.DataFrame:
    """query_id, sample_id, valid: whether a response ends, and is more than one passage over and over."""
    samples = tables.read(run.samples, tables.SAMPLES)
    found = read_answers(OPEN.name, samples["completion"], samples["finish_reason"])
    return samples.select("query_id", "sample_id").with_columns(found["answer"].is_not_null().alias("valid"))


def results(scores: pl.DataFrame, rates: dict[tuple[str, int], WinRate] | None = None) -> dict[str, Result]:
    """Results by variant.

    `scores`: variant, seed, query_id, correct and unparsed (shares of a query's samples); `rates`: by
    (variant, seed), where a judge compared.
    """
    runs = {
        variant: scores.filter(pl.col("variant") == variant)
        for variant in in_order(scores["variant"].unique())
    }
    first = baseline(runs)
    found = {
        variant: _result(variant, run, None if variant == first else runs.get(first), bool(rates))
        for variant, run in runs.items()
    }
    return {
        variant: replace(
            result, rates={seed: rate for (of, seed), rate in (rates or {}).items() if of == variant}
        )
        for variant, result in found.items()
    }


def _result(variant: str, run: pl.DataFrame, other: pl.DataFrame | None, judged: bool) -> Result:
    by_seed = run.group_by("seed").agg(pl.col("correct", "unparsed").mean(), pl.len()).sort("seed")
    seeds = {seed: (correct, unparsed, n) for seed, correct, unparsed, n in by_seed.iter_rows()}
    estimate: Estimate | Comparison
    if len(seeds) == 1 and not judged:
        estimate = wilson(_float(run["correct"].sum()), len(run))
    else:
        estimate = compare(run, run.with_columns(correct=pl.lit(0.0)))
    return Result(
        variant=variant,
        accuracy=_float(by_seed["correct"].mean()),
        low=estimate.low,
        high=estimate.high,
        unparsed=_float(by_seed["unparsed"].mean()),
        seeds=seeds,
        against=None if other is None else against(run, other),
    )


def _float(value: Any) -> float:
    """An aggregate of polars, whose types say less."""
    return float(value)


def against(run: pl.DataFrame, other: pl.DataFrame) -> Against | None:
    """The paired difference of two runs; None where they share no question."""
    shared = ["seed", "query_id"]
    run, other = run.join(other, on=shared, how="semi"), other.join(run, on=shared, how="semi")
    if not len(run):
        return None
    whole = compare(run, other)
    tests, differences = {}, []
    both = run.join(other, on=shared, suffix="_other").sort(shared)
    for (seed,), pairs in both.group_by("seed", maintain_order=True):
        gain = pairs["correct"] - pairs["correct_other"]
        differences.append(_float(gain.mean()))
        if set(gain.unique()) <= {-1.0, 0.0, 1.0}:
            tests[seed] = mcnemar(int((gain > 0).sum()), int((gain < 0).sum()))
    seeds = mean_over_seeds(differences) if len(differences) > 1 else None
    return Against(
        whole.difference, whole.low, whole.high, seeds and seeds.low, seeds and seeds.high, tests, whole.p
    )


def metrics(scoreboards: Sequence[Scoreboard]) -> pl.DataFrame:
    """All results as `METRICS` rows: per seed, and over seeds (metrics named mean_..., seed null)."""
    rows: list[tuple[Any, ...]] = []
    for board in scoreboards:
        for variant, result in board.results.items():
            head = (board.dataset, board.teacher, board.student, variant)

            def add(metric: str, value: float | None, n: int, seed: int | None = None) -> None:
                if value is not None:
                    rows.append((*head, seed, board.benchmark, metric, value, n))  # noqa: B023

            suffix = board.judged.suffix if board.judged else ""
            measure = f"win_rate{suffix}" if board.judged else "accuracy"
            for seed, (accuracy, unparsed, n) in result.seeds.items():
                add(measure, accuracy, n, seed)
                add("unparsed_rate", unparsed, n, seed)
                if rate := result.rates.get(seed):
                    add(f"win_rate_standard_error{suffix}", rate.error, n, seed)
                    add(f"length_controlled_winrate{suffix}", rate.controlled, n, seed)
                    add(f"lc_standard_error{suffix}", rate.controlled_error, n, seed)
                    add("avg_length", rate.length, n, seed)
                else:
                    estimate = wilson(accuracy * n, n)
                    add("accuracy_low", estimate.low, n, seed)
                    add("accuracy_high", estimate.high, n, seed)
                if result.against and seed in result.against.tests:
                    add("mcnemar_p", result.against.tests[seed], n, seed)
            total = sum(n for _, _, n in result.seeds.values())
            add(f"mean_{measure}", result.accuracy, total)
            add(f"mean_{measure}_low", result.low, total)
            add(f"mean_{measure}_high", result.high, total)
            add("mean_unparsed_rate", result.unparsed, total)
            if each := result.against:
                add("mean_difference", each.difference, total)
                add("mean_difference_low", each.low, total)
                add("mean_difference_high", each.high, total)
                add("mean_difference_seed_low", each.seed_low, total)
                add("mean_difference_seed_high", each.seed_high, total)
                add("mean_difference_p", None if each.tests else each.p, total)
    return pl.DataFrame(rows, schema=tables.METRICS, orient="row")
