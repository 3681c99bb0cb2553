"""The paper's Tables 3 and 4 for this run: accuracies and win rates over seeds, intervals, paired tests against SFT.

A win rate is treated as an accuracy: of an instruction it is the judge's preference for the model's output, in 0..1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.evaluation.alpaca import Verdicts, verdicts_of
from scripts.lib.evaluation.intervals import compare, mcnemar, mean_over_seeds, wilson
from scripts.lib.report import load
from scripts.lib.tasks.bulk import read_answers
from scripts.lib.tasks.open import OPEN

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
    "orm_t": "ORM-T",
    "orm_s": "ORM-S",
    "orm_s_checked": "ORM-S + CC",
    "unchecked": "Our RM without CC",
    "minus": "Our RM, r − 1 if wrong",
}
"""Variants in the order of the tables: the paper's methods, its teacher, controls, then Table 6's and Figure 10's rewards."""

COLUMNS = ("dataset", "teacher", "student", "benchmark")


def name(variant: str) -> str:
    return NAMES.get(variant, variant.replace("_", " "))


def baseline(variants: Iterable[str]) -> str:
    """SFT where it was run, else w/o R."""
    return "wo_r" if "sft" not in variants and "wo_r" in variants else "sft"


def in_order(variants: Iterable[str]) -> list[str]:
    """Known variants in the order of the tables, then the others by name."""
    known = list(NAMES)
    return sorted(set(variants), key=lambda each: (known.index(each) if each in known else len(known), each))


@dataclass(frozen=True)
class Against:
    """A variant's paired difference to the baseline, on the questions and seeds both have (shares, not points).

    `low`, `high`: 95 % bootstrap interval over seeds and questions; `seed_low`, `seed_high`: t interval over the
    seeds' differences (None with one seed); `tests`: seed -> exact McNemar p; `p`: of the bootstrap, where there is
    more than one seed or more to a question than right and wrong.
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
    """What AlpacaEval's package made of one run, shares of 1; `length`: characters of an output, on average."""

    error: float
    controlled: float
    controlled_error: float
    length: float


@dataclass(frozen=True)
class Result:
    """One variant on one benchmark, shares in 0..1.

    `low`, `high`: 95 % interval, Wilson's for one seed, else the bootstrap over seeds and questions; `seeds`: seed ->
    (accuracy, share of answers not read, questions). Where a judge compared: `accuracy` is the win rate, what is not
    read is the responses that are not valid, and `rates` holds AlpacaEval's own numbers by seed.
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
class Setting:
    """All variants of one dataset, teacher, student and benchmark; `judged`: by whom, where no answer is read."""

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
        teacher = self.results.get("teacher")
        return (
            variant != "teacher" and teacher is not None and self.results[variant].accuracy > teacher.accuracy
        )


def read_settings(rows: Sequence[dict[str, Any]]) -> tuple[list[Setting], list[str]]:
    """Settings in the manifest's order, and the score files it names that are not there."""
    grouped: dict[tuple[str, ...], list[pl.DataFrame]] = {}
    rates: dict[tuple[str, ...], dict[tuple[str, int], WinRate]] = {}
    judges: dict[tuple[str, ...], Verdicts] = {}
    absent: list[str] = []
    for row in rows:
        scores = load.table(row.get("scores"), tables.SCORES)
        if scores is None:
            absent.append(str(row.get("scores")))
            continue
        key = tuple(str(row.get(column, "")) for column in COLUMNS)
        seed = int(row.get("seed", 0))
        if found := win_rate(load.document(row.get("metrics"))):
            judges[key], rates.setdefault(key, {})[row["variant"], seed] = found
            correct = pl.col("answer").cast(pl.Float64)
            scores = scores.with_columns(correct, correct.alias("correct")).join(
                _validity(row), on=["query_id", "sample_id"], how="left"
            )
            unread = pl.col("valid").not_().fill_null(False)
        else:
            unread = pl.col("status") != "ok"
        per_query = scores.group_by("query_id").agg(pl.col("correct").mean(), unread.mean().alias("unparsed"))
        grouped.setdefault(key, []).append(
            per_query.with_columns(
                pl.lit(seed, dtype=pl.Int32).alias("seed"), pl.lit(row["variant"]).alias("variant")
            )
        )
    settings = [
        Setting(*key, results(pl.concat(parts), rates.get(key)), judges.get(key))
        for key, parts in grouped.items()
    ]
    return settings, absent


def win_rate(metrics: Any) -> tuple[Verdicts, WinRate] | None:
    """AlpacaEval's numbers in a metrics.json, and who judged; None where it holds accuracies."""
    name = next((each for each in metrics or () if each.startswith("win_rate")), None)
    if name is None:
        return None
    whole, controlled = metrics[name], metrics["length_controlled_" + name.replace("win_rate", "winrate", 1)]
    return verdicts_of(name), WinRate(
        whole["standard_error"],
        controlled["value"],
        controlled["standard_error"],
        metrics["avg_length"]["value"],
    )


def _validity(row: dict[str, Any]) -> pl.DataFrame:
    """query_id, sample_id, valid: whether a response has an end, and more to say than one passage over and over."""
    samples = load.table(row.get("samples"), tables.SAMPLES)
    if samples is None:
        samples = pl.DataFrame(schema=tables.SAMPLES)
    found = read_answers(OPEN.name, samples["completion"], samples["finish_reason"])
    return samples.select("query_id", "sample_id").with_columns(found["answer"].is_not_null().alias("valid"))


def results(scores: pl.DataFrame, rates: dict[tuple[str, int], WinRate] | None = None) -> dict[str, Result]:
    """Results by variant from `scores`: variant, seed, query_id, correct and unparsed (shares of a query's samples).

    `rates`: by (variant, seed), where a judge compared.
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
    if len(seeds) == 1 and not judged:
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
        against=None if other is None else against(run, other),
    )


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
        differences.append(float(gain.mean()))
        if set(gain.unique()) <= {-1.0, 0.0, 1.0}:
            tests[seed] = mcnemar(int((gain > 0).sum()), int((gain < 0).sum()))
    seeds = mean_over_seeds(differences) if len(differences) > 1 else None
    return Against(
        whole.difference, whole.low, whole.high, seeds and seeds.low, seeds and seeds.high, tests, whole.p
    )


def metrics(settings: Sequence[Setting]) -> pl.DataFrame:
    """All results as `METRICS` rows: per seed, and over seeds (metrics named mean_..., seed null)."""
    rows: list[tuple[Any, ...]] = []
    for setting in settings:
        for variant, result in setting.results.items():
            head = (setting.dataset, setting.teacher, setting.student, variant)

            def add(metric: str, value: float | None, n: int, seed: int | None = None) -> None:
                if value is not None:
                    rows.append((*head, seed, setting.benchmark, metric, value, n))  # noqa: B023

            suffix = setting.judged.suffix if setting.judged else ""
            measure = f"win_rate{suffix}" if setting.judged else "accuracy"
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
