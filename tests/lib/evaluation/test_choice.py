"""A choice among checkpoints and its doubt."""

import pytest

from scripts.lib.evaluation.choice import choice, warning

LOG = [
    {"iteration": 0, "validation_agreement": 0.55, "validation_n": 31},
    {"iteration": 1, "reward": 0.2},
    {"iteration": 2, "validation_agreement": 0.8, "validation_n": 31},
    {"iteration": 4, "validation_agreement": 0.8, "validation_n": 31},
    {"iteration": 6, "validation_agreement": 0.7, "validation_n": 31},
]


def test_the_first_best_with_its_interval_and_the_candidates_in_it() -> None:
    told = choice(LOG, "validation_", "iteration")
    assert (told.metric, told.step, told.candidates, told.within) == ("agreement", 2, 4, 3)
    assert told.best.value == pytest.approx(0.8) and told.best.n == 31
    assert (told.best.low, told.best.high) == pytest.approx((0.6300, 0.9038), abs=1e-4)  # Wilson, by hand
    assert str(told) == (
        "agreement with the teacher's votes 80.0 % on 31 questions, 9 answers each "
        "(95 % interval 63.0 to 90.4 %), 3 of 4 candidates within it"
    )


def test_a_trainers_log_tells_the_same() -> None:
    rows = [{"step": 5, "loss": 1.0}, {"step": 10, "eval_accuracy": 0.5, "eval_n": 200}]
    told = choice(rows, "eval_", "step")
    assert (told.metric, told.step, told.best.n, told.candidates, told.within) == ("accuracy", 10, 200, 1, 1)


def test_where_no_question_chose_there_is_no_choice() -> None:
    assert choice([{"step": 1, "eval_accuracy": 0.7}], "eval_", "step") is None, "pairs of a reward model"
    assert (
        choice([{"iteration": 0, "validation_reward": 1.0, "validation_n": 9}], "validation_", "iteration")
        is None
    )


def test_few_questions_are_warned_of_with_the_mend() -> None:
    assert warning(100) == ""
    assert "99 validation questions" in warning(99)
    assert "differ by some 17 points; raise validation_fraction" in warning(31)
