"""App. A on logs that can be counted by hand."""

import pytest

from scripts.lib.report.numbers.guarantee import guarantee


def validation(iteration: int, accuracy: float, pseudo: float, error: float, largest: float) -> dict:
    return {
        "iteration": iteration,
        "validation_n": 200,
        "validation_accuracy": accuracy,
        "validation_pseudo_reward": pseudo,
        "validation_pseudo_error": error,
        "validation_pseudo_error_max": largest,
    }


START, BEST = validation(0, 0.6, 0.55, 0.1, 0.8), validation(20, 0.75, 0.85, 0.05, 0.3)
LATER = validation(40, 0.7, 0.99, 0.4, 0.9)


def test_it_is_of_the_start_and_of_the_policy_that_was_chosen():
    found = guarantee([START, {"iteration": 1, "reward": 2.0}, BEST, LATER])
    assert (found.n, found.largest, found.before, found.after) == (200, 0.8, 0.1, 0.05)
    assert found.pseudo == pytest.approx(0.3) and found.gain == pytest.approx(0.15)
    assert found.bound == pytest.approx(0.3 - 1.6) and found.mean_bound == pytest.approx(0.3 - 0.15)


def test_the_largest_error_is_that_of_either_policy():
    assert guarantee([START | {"validation_pseudo_error_max": 0.2}, BEST]).largest == 0.3


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"iteration": 0, "validation_n": 9, "validation_accuracy": 0.5}],
        [{k.replace("accuracy", "agreement"): v for k, v in each.items()} for each in (START, BEST)],
        [BEST],
    ],
)
def test_what_was_not_measured_has_none(records):
    assert guarantee(records) is None
