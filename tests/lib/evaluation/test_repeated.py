"""One of several answers: each number is the mean over all subsets of a question's samples."""

from collections import Counter
from itertools import combinations

import polars as pl
import pytest

from scripts.lib.evaluation.repeated import growth, sizes, take

ANSWERS = ["7", "7", "8", None, "8", "7", "9", None]
REWARDS = [0.1, 0.9, 1.5, 2.0, -1.0, 0.2, 0.3, 0.4]


def scores(answers: list[str | None], gold: str = "7") -> pl.DataFrame:
    rows = [
        ("q", at, answer, "ok" if answer else "none", answer == gold) for at, answer in enumerate(answers)
    ]
    return pl.DataFrame(rows, schema=["query_id", "sample_id", "answer", "status", "correct"], orient="row")


def rewards(values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"query_id": "q", "sample_id": range(len(values)), "reward": values}).cast(
        {"sample_id": pl.Int64}
    )


def by_majority(subset: tuple[int, ...]) -> bool:
    counts = Counter(ANSWERS[at] for at in subset if ANSWERS[at]).most_common()
    return bool(counts) and counts[0][0] == "7" and (len(counts) == 1 or counts[0][1] > counts[1][1])


def by_reward(subset: tuple[int, ...]) -> bool:
    return ANSWERS[max(subset, key=lambda at: REWARDS[at])] == "7"


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ("mean", lambda subset: sum(ANSWERS[at] == "7" for at in subset) / len(subset)),
        ("majority", by_majority),
        ("best_of_n", by_reward),
        ("oracle", lambda subset: any(ANSWERS[at] == "7" for at in subset)),
    ],
)
def test_a_rule_is_averaged_over_all_subsets(rule, right):
    found = growth(scores(ANSWERS), rewards(REWARDS)).filter(pl.col("rule") == rule)
    assert found["n"].to_list() == [1, 2, 4, 8]
    for n, value in found.select("n", "correct").iter_rows():
        subsets = list(combinations(range(len(ANSWERS)), n))
        assert value == pytest.approx(sum(map(right, subsets)) / len(subsets)), n


def test_sizes_double_and_end_with_all():
    assert (sizes(1), sizes(8), sizes(12)) == ([1], [1, 2, 4, 8], [1, 2, 4, 8, 12])


def test_two_right_answers_win_apart():
    """GSM-Plus accepts one within a tolerance: neither is the other's vote."""
    table = scores(["7", "7.0", "8"]).with_columns(correct=pl.Series([True, True, False]))
    found = growth(table, None).filter(pl.col("rule") == "majority")["correct"].to_list()
    assert found == pytest.approx([2 / 3, 0, 0])


@pytest.mark.parametrize(
    ("answers", "taken", "sample", "status"),
    [
        (["8", "7", "7"], "7", 1, "ok"),
        (["8", "7", None], None, 0, "tie"),
        ([None, "8", None], "8", 1, "ok"),
        ([None, None], None, 0, "none"),
    ],
)
def test_the_majority_of_all_is_taken_and_a_tie_has_no_winner(answers, taken, sample, status):
    (row,) = take(scores(answers), "majority", None).rows(named=True)
    expected = {"answer": taken, "sample_id": sample, "status": status, "correct": taken == "7"}
    assert row == {"query_id": "q"} | expected


def test_the_best_by_the_reward_is_taken_and_of_equal_ones_the_first():
    table = scores(["8", "7", "9"])
    assert take(table, "best_of_n", rewards([0.0, 0.5, 0.5]))["answer"].to_list() == ["7"]
