"""The numbers of Tables 3 and 4: accuracies and win rates over seeds, intervals, paired tests against SFT.

A win rate is treated as an accuracy: of an instruction it is the judge's preference for the model's output,
in 0..1.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.evaluation.alpaca import Verdicts, verdicts_of
from scripts.lib.evaluation.intervals import (
    Comparison,
    compare,
    distinct,
    gains,
    holm,
    matrix,
    mcnemar,
    over_runs,
    wilson,
)
from scripts.lib.report import read
from scripts.lib.report.numbers.variants import baseline, in_order, name
from scripts.lib.report.study import Evaluation, Study
from scripts.lib.tasks.bulk import read_answers
from scripts.lib.tasks.open import OPEN

Place = tuple[str, str, str, str]
"""Data set, teacher, student and benchmark."""


@dataclass(frozen=True)
class Against:
    """A variant's paired difference to the baseline (as shares), on the questions and seeds both have.

    `whole`: with its 95 % interval and its p; `tests`: seed -> (exact McNemar p, questions), where answers
    are right or wrong.
    """

    whole: Comparison
    tests: dict[int, tuple[float, int]]

    @property
    def clear(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        return (self.whole.low > 0) - (self.whole.high < 0)


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

    `low`, `high`: 95 % interval over runs and questions, of which `n` are distinct; `seeds`: seed ->
    (accuracy, share of answers not read, questions), an evaluation that several seeds share under the first
    of them. Where a judge compared: `accuracy` is the win rate, what is not read is the responses that are
    not valid, and `rates` holds AlpacaEval's own numbers by seed.
    """

    variant: str
    accuracy: float
    low: float
    high: float
    n: int
    unparsed: float
    seeds: dict[int, tuple[float, float, int]]
    against: Against | None = None
    rates: dict[int, WinRate] = field(default_factory=dict)

    @property
    def per_run(self) -> int:
        """Questions of a run (of the run with the fewest)."""
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
    def place(self) -> Place:
        """Where it stands among the results."""
        return self.dataset, self.teacher, self.student, self.benchmark

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
    rates: dict[Place, dict[tuple[str, int], WinRate]] = {}
    judges: dict[Place, Verdicts] = {}
    for run in study.evaluations:
        if run.judged:
            key = place(run)
            judges[key], rate = win_rate(read.document(run.metrics))
            rates.setdefault(key, {})[run.variant, run.seed] = rate
    return [
        Scoreboard(*key, results(scores, rates.get(key)), judges.get(key))
        for key, scores in by_question(study).items()
    ]


def within(study: Study, board: Scoreboard, variants: Collection[str], first: str) -> Scoreboard:
    """A scoreboard of answers that were read with these of its variants alone, held against `first`."""
    kept = by_question(study)[board.place].filter(pl.col("variant").is_in(list(variants)))
    return replace(board, results=results(kept, first=first))


def place(run: Evaluation) -> Place:
    """Where an evaluation stands among the results."""
    return run.dataset, run.teacher, run.student, run.benchmark


@cache
def by_question(study: Study) -> dict[Place, pl.DataFrame]:
    """Every question's score, as `results` takes them; worked out once."""
    grouped: dict[Place, list[pl.DataFrame]] = {}
    for run in study.evaluations:
        scores = tables.read(run.scores, tables.SCORES)
        if run.judged:
            correct = pl.col("answer").cast(pl.Float64)
            scores = scores.with_columns(correct, correct.alias("correct")).join(
                _validity(run), on=["query_id", "sample_id"], how="left"
            )
            unread = pl.col("valid").not_().fill_null(False)
        else:
            unread = pl.col("status") != "ok"
        per_query = scores.group_by("query_id").agg(pl.col("correct").mean(), unread.mean().alias("unparsed"))
        grouped.setdefault(place(run), []).append(
            per_query.with_columns(
                pl.lit(run.seed, dtype=pl.Int32).alias("seed"),
                pl.lit(run.variant).alias("variant"),
                pl.lit(str(run.scores)).alias("run"),
            )
        )
    return {key: pl.concat(parts) for key, parts in grouped.items()}


def corrected(scoreboards: Sequence[Scoreboard]) -> list[dict[str, float]]:
    """Of each scoreboard of one table, the p of its variants, corrected for all comparisons of the table."""
    places = [
        (number, variant, result.against.whole.p)
        for number, board in enumerate(scoreboards)
        for variant, result in board.results.items()
        if result.against
    ]
    found: list[dict[str, float]] = [{} for _ in scoreboards]
    for (number, variant, _), p in zip(places, holm([p for *_, p in places]), strict=True):
        found[number][variant] = p
    return found


def by_table(scoreboards: Iterable[Scoreboard]) -> list[list[Scoreboard]]:
    """The scoreboards of each table of Results and Win rates: those of a benchmark, by one judge or none."""
    found: dict[tuple[str, Verdicts | None], list[Scoreboard]] = {}
    for each in scoreboards:
        found.setdefault((each.benchmark, each.judged), []).append(each)
    return list(found.values())


def held_against(scoreboards: Sequence[Scoreboard]) -> str:
    """The name of what a table's variants are held against."""
    return " or ".join(dict.fromkeys(name(each.baseline) for each in scoreboards))


def measure(board: Scoreboard) -> str:
    """What a scoreboard's values are, as metrics.parquet names it."""
    return f"win_rate{board.judged.suffix}" if board.judged else "accuracy"


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


def results(
    scores: pl.DataFrame, rates: dict[tuple[str, int], WinRate] | None = None, first: str | None = None
) -> dict[str, Result]:
    """Results by variant.

    `scores`: variant, seed, run (of what; seeds may share one), query_id, correct and unparsed (shares of a
    query's samples); `rates`: by (variant, seed), where a judge compared; `first`: what the others are held
    against, else the `baseline`.
    """
    runs = {
        variant: scores.filter(pl.col("variant") == variant)
        for variant in in_order(scores["variant"].unique())
    }
    first = first or baseline(runs)
    return {
        variant: _result(variant, run, None if variant == first else runs.get(first), rates or {})
        for variant, run in runs.items()
    }


def _result(
    variant: str, scores: pl.DataFrame, other: pl.DataFrame | None, rates: dict[tuple[str, int], WinRate]
) -> Result:
    runs = distinct(scores)
    by_seed = runs.group_by("seed").agg(pl.col("correct", "unparsed").mean(), pl.len()).sort("seed")
    seeds = {seed: (correct, unparsed, n) for seed, correct, unparsed, n in by_seed.iter_rows()}
    accuracy = over_runs(matrix(runs))
    return Result(
        variant=variant,
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        n=accuracy.n,
        unparsed=_float(by_seed["unparsed"].mean()),
        seeds=seeds,
        against=None if other is None else against(scores, other),
        rates={seed: rates[variant, seed] for seed in seeds if (variant, seed) in rates},
    )


def _float(value: Any) -> float:
    """An aggregate of polars, whose types say less."""
    return float(value)


def against(run: pl.DataFrame, other: pl.DataFrame) -> Against | None:
    """The paired difference of two variants' scores; None where they share no question."""
    gained = gains(run, other)
    if gained.is_empty():
        return None
    tests = {}
    for (seed,), each in gained.sort("seed").group_by("seed", maintain_order=True):
        gain = each["gain"]
        if set(gain.unique()) <= {-1.0, 0.0, 1.0}:
            tests[seed] = mcnemar(int((gain > 0).sum()), int((gain < 0).sum())), len(gain)
    return Against(compare(gained), tests)


def metrics(scoreboards: Sequence[Scoreboard]) -> pl.DataFrame:
    """All results as `METRICS` rows: per seed, and over seeds (metrics named mean_..., seed null).

    `n` counts questions, of a mean over seeds the distinct ones. `mcnemar_p` and `mean_difference_p` are
    uncorrected: whoever reads several has to correct them.
    """
    rows: list[tuple[Any, ...]] = []
    for board in scoreboards:
        for variant, result in board.results.items():
            head = (board.dataset, board.teacher, board.student, variant)

            def add(metric: str, value: float | None, n: int, seed: int | None = None) -> None:
                if value is not None:
                    rows.append((*head, seed, board.benchmark, metric, value, n))  # noqa: B023

            suffix = board.judged.suffix if board.judged else ""
            what = measure(board)
            for seed, (accuracy, unparsed, n) in result.seeds.items():
                add(what, accuracy, n, seed)
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
            add(f"mean_{what}", result.accuracy, result.n)
            add(f"mean_{what}_low", result.low, result.n)
            add(f"mean_{what}_high", result.high, result.n)
            add("mean_unparsed_rate", result.unparsed, result.n)
            if result.against:
                for seed, (p, n) in result.against.tests.items():
                    add("mcnemar_p", p, n, seed)
                whole = result.against.whole
                add("mean_difference", whole.difference, whole.n)
                add("mean_difference_low", whole.low, whole.n)
                add("mean_difference_high", whole.high, whole.n)
                add("mean_difference_p", whole.p, whole.n)
    return pl.DataFrame(rows, schema=tables.METRICS, orient="row")
