"""Eq. 10 and 11 as a truth table."""

import math

import pytest

from scripts.lib.training.ppo.reward import augmented_reward, augmented_rewards, penalised, reward_parts

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
