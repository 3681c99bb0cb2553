"""Table 3's numbers on rows that can be counted by hand."""

import polars as pl
import pytest

from scripts.lib.evaluation.intervals import mcnemar
from scripts.lib.report.numbers.results import Scoreboard, metrics, results
from scripts.lib.report.numbers.variants import in_order


def scores(variant: str, seed: int, right: list[float], start: int = 0) -> pl.DataFrame:
    ids = [f"q{start + index}" for index in range(len(right))]
    return pl.DataFrame({"query_id": ids, "correct": right, "unparsed": [0.0] * len(right)}).with_columns(
        variant=pl.lit(variant), seed=pl.lit(seed, dtype=pl.Int32)
    )


def test_one_seed_is_wilson_and_mcnemar():
    ours, sft = [1.0] * 8 + [0.0] * 2, [1.0] * 2 + [0.0] * 7 + [1.0]
    found = results(pl.concat([scores("ours", 0, ours), scores("sft", 0, sft)]))
    assert list(found) == ["sft", "ours"]
    result = found["ours"]
    assert result.accuracy == pytest.approx(0.8) and result.low < 0.8 < result.high <= 1
    assert result.n == 10 and found["sft"].against is None
    assert result.against.difference == pytest.approx(0.5)
    assert result.against.tests == {0: mcnemar(6, 1)} and result.against.worst_p == mcnemar(6, 1)
    assert result.against.seed_low is None


def test_several_seeds_are_means_of_seeds_and_the_worst_p():
    parts = [scores("ours", 0, [1.0] * 20), scores("sft", 0, [0.0] * 20)]
    parts += [scores("ours", 1, [1.0] * 2 + [0.0] * 2), scores("sft", 1, [0.0] * 4)]
    result = results(pl.concat(parts))["ours"]
    assert result.accuracy == pytest.approx((1 + 0.5) / 2)
    assert result.against.difference == pytest.approx(0.75)
    assert result.against.worst_p == mcnemar(2, 0) and result.n == 4
    assert result.against.seed_low < 0.75 < result.against.seed_high


def test_only_shared_questions_are_compared():
    parts = [
        scores("ours", 0, [1.0, 1.0, 0.0]),
        scores("sft", 0, [0.0, 1.0], start=1),
        scores("sft", 1, [1.0]),
    ]
    against = results(pl.concat(parts))["ours"].against
    assert against.difference == pytest.approx((1 - 0 + 0 - 1) / 2) and list(against.tests) == [0]


def test_nothing_shared_is_not_compared():
    parts = [scores("ours", 0, [1.0]), scores("sft", 1, [1.0])]
    assert results(pl.concat(parts))["ours"].against is None


def test_several_samples_a_question_have_no_mcnemar():
    found = results(pl.concat([scores("ours", 0, [0.5, 1.0]), scores("sft", 0, [0.25, 0.5])]))
    assert found["ours"].against.worst_p is None


def test_best_and_above_teacher():
    parts = [
        scores("ours", 0, [1.0, 1.0, 0.0]),
        scores("sft", 0, [1.0, 0.0, 0.0]),
        scores("teacher", 0, [1.0] * 3),
    ]
    board = Scoreboard("d", "t", "s", "b", results(pl.concat(parts)))
    assert board.best == "ours"
    assert not board.above_teacher("ours") and not board.above_teacher("teacher")
    rows = metrics([board])
    assert set(rows.filter(pl.col("seed").is_null())["metric"]) >= {"mean_accuracy", "mean_difference"}


def test_order_is_the_tables_then_the_alphabet():
    assert in_order(["zeta", "ours", "alpha", "icl"]) == ["icl", "ours", "alpha", "zeta"]
