"""Table 3's numbers on rows that can be counted by hand."""

from types import SimpleNamespace

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.evaluation.intervals import compare, gains, matrix, mcnemar, over_runs, wilson
from scripts.lib.report.numbers.results import Scoreboard, metrics, results, scoreboards
from scripts.lib.report.numbers.variants import in_order


def scores(variant: str, seed: int, right: list[float], start: int = 0, run: str = "") -> pl.DataFrame:
    ids = [f"q{start + index:03d}" for index in range(len(right))]
    return pl.DataFrame({"query_id": ids, "correct": right, "unparsed": [0.0] * len(right)}).with_columns(
        variant=pl.lit(variant), seed=pl.lit(seed, dtype=pl.Int32), run=pl.lit(run or f"{variant} {seed}")
    )


def test_one_seed_is_wilson_and_mcnemar():
    ours, sft = [1.0] * 8 + [0.0] * 2, [1.0] * 2 + [0.0] * 7 + [1.0]
    found = results(pl.concat([scores("ours", 0, ours), scores("sft", 0, sft)]))
    assert list(found) == ["sft", "ours"]
    result = found["ours"]
    assert (result.accuracy, result.n, result.low, result.high) == wilson(8, 10)
    assert result.per_run == 10 and found["sft"].against is None
    assert result.against.whole.difference == pytest.approx(0.5)
    assert result.against.whole.p == mcnemar(6, 1) and result.against.tests == {0: (mcnemar(6, 1), 10)}


def test_a_scoreboard_counts_every_sample_and_what_was_not_read(tmp_path):
    rows = [
        ("a", 0, "1", "ok", True),
        ("a", 1, "2", "ok", False),
        ("b", 0, None, "ambiguous", False),
        ("c", 0, None, "truncated", False),
        ("d", 0, None, "none", False),
        ("e", 0, "5", "ok", True),
    ]
    path = tmp_path / "scores.parquet"
    tables.write(pl.DataFrame(rows, schema=tables.SCORES, orient="row"), path, tables.SCORES)

    class Study:
        evaluations = [
            SimpleNamespace(
                dataset="d", teacher="t", student="s", benchmark="b", judged=False, scores=path, **run
            )
            for run in ({"variant": "ours", "seed": 4}, {"variant": "sft", "seed": 4})
        ]

    (board,) = scoreboards(Study())
    assert (board.dataset, board.teacher, board.student, board.benchmark) == ("d", "t", "s", "b")
    assert board.results["ours"].seeds == {4: (pytest.approx(1.5 / 5), pytest.approx(3 / 5), 5)}
    assert board.results["ours"].against.whole.difference == 0


def test_several_seeds_are_means_of_seeds_with_one_interval_and_its_p():
    ours = [scores("ours", 0, [1.0] * 20), scores("ours", 1, [1.0] * 2 + [0.0] * 2, start=20)]
    sft = [scores("sft", 0, [0.0] * 20), scores("sft", 1, [0.0] * 4, start=20)]
    result = results(pl.concat(ours + sft))["ours"]
    assert result.accuracy == pytest.approx((1 + 0.5) / 2)
    assert (result.accuracy, result.n, result.low, result.high) == over_runs(matrix(pl.concat(ours)))
    assert result.n == 24 and result.per_run == 4
    assert result.against.whole == compare(gains(pl.concat(ours), pl.concat(sft)))
    assert result.against.whole.difference == pytest.approx(0.75) and result.against.whole.n == 24
    assert result.against.tests == {0: (mcnemar(20, 0), 20), 1: (mcnemar(2, 0), 4)}


def test_a_benchmark_that_seeds_share_counts_its_questions_once():
    right = [1.0] * 70 + [0.0] * 30
    parts = [scores("teacher", seed, right, run="the teacher's only run") for seed in range(3)]
    parts += [scores("sft", seed, right[seed:] + [0.0] * seed) for seed in range(3)]
    found = results(pl.concat(parts))
    teacher = found["teacher"]
    assert (teacher.accuracy, teacher.n, teacher.low, teacher.high) == wilson(70, 100)
    assert list(teacher.seeds) == [0] and list(found["sft"].seeds) == [0, 1, 2]
    # Three students of the very questions that one student was right on are hardly more certain.
    one = wilson(69, 100)
    assert found["sft"].high - found["sft"].low > 0.95 * (one.high - one.low)
    assert list(teacher.against.tests) == [0, 1, 2]
    rows = metrics([Scoreboard("d", "t", "s", "b", found)]).filter(pl.col("variant") == "teacher")
    assert set(rows["n"]) == {100}
    assert rows.filter(pl.col("metric") == "accuracy")["seed"].to_list() == [0]
    assert rows.filter(pl.col("metric") == "mcnemar_p")["seed"].to_list() == [0, 1, 2]


def test_metrics_are_the_results():
    parts = [scores("ours", seed, [1.0] * (9 - seed) + [0.0] * (1 + seed)) for seed in range(3)]
    parts += [scores("sft", seed, [1.0] * 5 + [0.0] * 5) for seed in range(3)]
    found = results(pl.concat(parts))
    rows = metrics([Scoreboard("d", "t", "s", "b", found)]).filter(pl.col("variant") == "ours")
    whole = found["ours"].against.whole
    over_seeds = rows.filter(pl.col("seed").is_null())
    assert dict(over_seeds.select("metric", "value").iter_rows()) == {
        "mean_accuracy": found["ours"].accuracy,
        "mean_accuracy_low": found["ours"].low,
        "mean_accuracy_high": found["ours"].high,
        "mean_unparsed_rate": 0.0,
        "mean_difference": whole.difference,
        "mean_difference_low": whole.low,
        "mean_difference_high": whole.high,
        "mean_difference_p": whole.p,
    }
    assert set(over_seeds["n"]) == {10}
    first = rows.filter(pl.col("seed") == 0)
    assert dict(first.select("metric", "value").iter_rows()) == {
        "accuracy": pytest.approx(0.9),
        "unparsed_rate": 0.0,
        "accuracy_low": pytest.approx(wilson(9, 10).low),
        "accuracy_high": pytest.approx(wilson(9, 10).high),
        "mcnemar_p": mcnemar(4, 0),
    }


def test_only_shared_questions_are_compared():
    parts = [
        scores("ours", 0, [1.0, 1.0, 0.0]),
        scores("sft", 0, [0.0, 1.0], start=1),
        scores("sft", 1, [1.0]),
    ]
    against = results(pl.concat(parts))["ours"].against
    assert against.whole.difference == pytest.approx((1 - 0 + 0 - 1) / 2) and against.whole.n == 2
    assert list(against.tests) == [0]


def test_nothing_shared_is_not_compared():
    parts = [scores("ours", 0, [1.0]), scores("sft", 1, [1.0])]
    assert results(pl.concat(parts))["ours"].against is None


def test_several_samples_a_question_have_no_mcnemar():
    found = results(pl.concat([scores("ours", 0, [0.5, 1.0]), scores("sft", 0, [0.25, 0.5])]))
    assert found["ours"].against.tests == {} and found["ours"].against.whole.difference == 0.375


def test_best_and_above_teacher():
    parts = [
        scores("ours", 0, [1.0, 1.0, 0.0]),
        scores("sft", 0, [1.0, 0.0, 0.0]),
        scores("teacher", 0, [1.0] * 3),
    ]
    board = Scoreboard("d", "t", "s", "b", results(pl.concat(parts)))
    assert board.best == "ours"
    assert not board.above_teacher("ours") and not board.above_teacher("teacher")
    equal = results(pl.concat([parts[2].with_columns(variant=pl.lit("ours")), parts[2]]))
    assert not Scoreboard("d", "t", "s", "b", equal).above_teacher("ours"), "as good is not above"


def test_order_is_the_tables_then_the_alphabet():
    assert in_order(["zeta", "ours", "alpha", "icl"]) == ["icl", "ours", "alpha", "zeta"]
