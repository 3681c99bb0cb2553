"""Rewards that differ by one setting: which are found, and what they are worth over seeds."""

import json
import statistics
from types import SimpleNamespace

import pytest

from scripts.lib.evaluation.intervals import student_point
from scripts.lib.report.numbers.sweeps import over_seeds, swept


def reward(lam: float = 0.5, ratio: float | None = None, answers: str = "both") -> dict:
    return {"pairs": {"teacher_ratio": ratio, "answers": answers}, "training": {"lam": lam, "loss": "both"}}


@pytest.fixture
def chains(tmp_path):
    config = {
        "ours": reward(),
        "lam_1": reward(lam=1.0),
        "lam_0": reward(lam=0.0),
        "orm": reward(lam=2.0, answers="student"),
        "ratio_0": reward(ratio=0.0),
        "ratio_4": reward(ratio=4.0),
        "untrained": reward(lam=3.0),
    }
    chains = []
    for seed in (0, 1):
        rewards = []
        for number, name in enumerate(config):
            path = tmp_path / f"{name}{seed}.json"
            path.write_text(json.dumps({"at": 10 * number + seed}), encoding="utf-8")
            rewards.append(SimpleNamespace(reward=name, table9=None if name == "untrained" else path))
        chains.append(SimpleNamespace(rewards=rewards))
    return SimpleNamespace(config={"rewards": config}), chains


def test_only_what_differs_by_the_setting_alone_is_compared_in_its_order(chains):
    study, found = chains
    weights = swept(study, found, "training", "lam")
    assert {value: [each["at"] for each in seeds] for value, seeds in weights.items()} == {
        0.0: [20, 21], 0.5: [0, 1], 1.0: [10, 11],
    }  # fmt: skip
    assert list(weights) == [0.0, 0.5, 1.0]
    assert list(swept(study, found, "pairs", "teacher_ratio")) == [0.0, 4.0]


def test_one_value_is_no_sweep(chains):
    study, (chain, _) = chains
    chain.rewards = chain.rewards[:1]
    assert swept(study, [chain], "training", "lam") == {}


def test_one_seed_has_its_own_interval_and_several_have_students():
    one = {"value": 0.8, "n": 50, "low": 0.7, "high": 0.9}
    assert tuple(over_seeds([one])) == (0.8, 50, 0.7, 0.9)
    values = [0.8, 0.7, 0.75]
    found = over_seeds([one | {"value": value} for value in values])
    half = student_point(0.05, 2) * statistics.stdev(values) / 3**0.5
    assert found.value == pytest.approx(0.75) and found.n == 150
    assert (found.low, found.high) == (pytest.approx(0.75 - half), pytest.approx(0.75 + half))
    assert over_seeds([one, one | {"value": None}]) is None
    tie = over_seeds([one, one])
    assert tie is not None and (tie.low, tie.high) == pytest.approx((0.8 - 0.1 / 2**0.5, 0.8 + 0.1 / 2**0.5))
