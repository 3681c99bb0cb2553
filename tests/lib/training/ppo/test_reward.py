"""Eq. 10 and 11 as a truth table."""

import math

import pytest

from scripts.lib.training.ppo.reward import (
    augmented_reward,
    augmented_rewards,
    penalised,
    pseudo_reward_error,
    reward_parts,
)

TABLE = [
    # answer, label, r: ours, minus, none, label
    (None, "18", 2.0, -5.0, -5.0, -5.0, -5.0),
    (None, "18", math.nan, -5.0, -5.0, -5.0, -5.0),
    ("18", "18", 2.0, 2.0, 2.0, 2.0, 1.0),
    ("18", "18", -2.0, -2.0, -2.0, -2.0, 1.0),
    ("17", "18", 2.0, 0.0, 1.0, 2.0, 0.0),
    ("17", "18", -2.0, -2.0, -3.0, -2.0, 0.0),
    ("17", "18", 0.0, 0.0, -1.0, 0.0, 0.0),
]


@pytest.mark.parametrize("column, design", list(enumerate(("ours", "minus", "none", "label"))))
@pytest.mark.parametrize("row", TABLE)
def test_truth_table(row, column, design):
    answer, label, score, *expected = row
    assert augmented_reward(score, answer, label, design) == expected[column]


@pytest.mark.parametrize("design", ["ours", "minus", "none"])
def test_open_ended_queries_have_no_consistency_check(design):
    assert augmented_reward(3.0, "an essay", None, design) == 3.0
    assert augmented_reward(3.0, None, None, design) == -5.0


def test_parts_are_logged_apart():
    scores, answers, labels = [2.0, 1.0, -1.0, math.nan], ["1", "2", "2", None], ["1", "1", "1", "1"]
    rewards = augmented_rewards(scores, answers, labels, "ours")
    assert rewards == [2.0, 0.0, -1.0, -5.0]
    assert reward_parts(scores, answers, labels, rewards) == {
        "reward": -1.0,
        "reward_model": pytest.approx(2 / 3),
        "no_answer": 0.25,
        "agreement": 0.25,
        "lowered": 0.25,
    }
    mixed = augmented_rewards(scores, answers, ["1", "1", None, None], "ours")
    assert mixed == [2.0, 0.0, -1.0, -5.0]
    parts = reward_parts(scores, answers, ["1", "1", None, None], mixed)
    assert (parts["agreement"], parts["no_answer"], parts["lowered"]) == (0.5, 0.25, 0.25)
    assert reward_parts(scores, answers, [None] * 4, scores)["agreement"] is None
    label_only = [math.nan] * 4
    assert reward_parts(label_only, answers, labels, [1.0, 0.0, 0.0, -5.0])["reward_model"] is None


def test_the_penalty_is_taken_from_every_response_that_was_cut_off():
    rewards, truncated = [2.0, 2.0, -5.0, -5.0], [False, True, False, True]
    assert penalised(rewards, truncated, 1.5) == [2.0, 0.5, -5.0, -6.5]
    assert penalised(rewards, truncated, None) == rewards


def test_the_pseudo_reward_is_held_against_the_truth():
    """App. A: r_p is the sigmoid of what is paid without a label; no answer is paid -5, and is wrong."""
    scores, answers, right = [0.0, 2.0, -2.0, math.nan], ["1", "1", "2", None], [True, False, False, False]
    found = pseudo_reward_error(scores, answers, right, "ours")
    high, low, none = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2)), 1 / (1 + math.exp(5))
    assert found["pseudo_reward"] == pytest.approx((0.5 + high + low + none) / 4)
    assert found["pseudo_error"] == pytest.approx((0.5 + high + low + none) / 4)
    assert found["pseudo_error_max"] == pytest.approx(high)


def test_a_gain_is_at_least_what_the_mean_errors_leave_of_the_pseudo_gain():
    """The theorem's steps, on two policies' responses."""
    answers, gains = ["1"] * 4, []
    cases = [
        ([0.3, -1.0, 2.0, 4.0], [True, False, False, True]),
        ([3.0, 1.0, 2.0, 9.0], [True, True, False, True]),
    ]
    for scores, right in cases:
        found = pseudo_reward_error(scores, answers, right, "ours")
        gains.append((sum(right) / 4, found["pseudo_reward"], found["pseudo_error"]))
    (true, pseudo, error), (later, better, worse) = gains
    assert later - true >= better - pseudo - error - worse
