"""Each alarm, on metrics in which it rings and in which it does not."""

import pytest

from scripts.lib.errors import UserError
from scripts.lib.process.alarms import RULES, Alarms, Bell, Ring, of_labels, of_reward_model, rang, sound

CALM = {
    "reward": 0.0,
    "kl": 1.0,
    "entropy": 0.4,
    "response_length": 60.0,
    "truncated": 0.01,
    "no_answer": 0.1,
    "duplicates": 0.1,
    "agreement": 0.7,
    "explained_variance": 0.5,
}
TOO_MUCH = {
    "kl": {"kl": 21.0},
    "entropy_falls": {"entropy": 0.03},
    "entropy_rises": {"entropy": 1.3},
    "length_falls": {"response_length": 19.0},
    "length_rises": {"response_length": 190.0},
    "truncated": {"truncated": 0.26},
    "no_answer": {"no_answer": 0.51},
    "duplicates": {"duplicates": 0.51},
    "agreement_falls": {"agreement": 0.49, "reward": 0.1},
    "explained_variance": {"explained_variance": 0.01},
}
JUST_RIGHT = {
    "kl": {"kl": 19.0},
    "entropy_falls": {"entropy": 0.05},
    "entropy_rises": {"entropy": 1.1},
    "length_falls": {"response_length": 21.0},
    "length_rises": {"response_length": 170.0},
    "truncated": {"truncated": 0.24},
    "no_answer": {"no_answer": 0.49},
    "duplicates": {"duplicates": 0.49},
    "agreement_falls": {"agreement": 0.3, "reward": 0.0},  # no reward has risen: nothing is gamed
    "explained_variance": {"explained_variance": 0.04},
}


def log(*parts: dict, batch: int = 100) -> list[dict]:
    """Validation before the first iteration, then ten iterations of each part's metrics, 1,000 episodes."""
    rows = [{"iteration": 0, "episodes": 0, "validation": 0.5}]
    for part in parts:
        for _ in range(10):
            at = len(rows)
            rows.append({"iteration": at, "episodes": at * batch, "seconds": {"rollout": 1.0}, **part})
    return rows


@pytest.mark.parametrize("key", [rule.key for rule in RULES])
def test_an_alarm_rings_beyond_its_threshold_alone_and_not_before_nor_when_off(key):
    assert list(rang(Alarms(), log(CALM, CALM | TOO_MUCH[key]))) == [key]
    assert rang(Alarms(), log(CALM, CALM | JUST_RIGHT[key])) == {}
    assert rang(Alarms(**{key: None}), log(CALM, CALM | TOO_MUCH[key])) == {}


def test_a_batch_moves_nothing_and_the_first_time_is_told():
    """A share is a mean over 1,000 episodes, however many iterations they take."""
    rows = log(CALM, CALM)
    rows[-1] |= {"truncated": 1.0}
    assert rang(Alarms(), rows) == {}
    assert list(rang(Alarms(episodes=100), rows)) == ["truncated"]
    found = rang(Alarms(), log(CALM, CALM | {"truncated": 0.5}, CALM | {"truncated": 0.9}))
    assert found["truncated"].line == (
        "alarm: the share of responses cut off is 0.255 over 1000 episodes to iteration 15, above 0.25 "
        "(alarms.truncated)"
    )


def test_what_is_not_measured_cannot_ring():
    """GRPO has no value network, a policy paid by labels alone no reward model; some batch has no label."""
    bare = {name: value for name, value in CALM.items() if name not in ("explained_variance", "entropy")}
    assert rang(Alarms(), log(bare | {"agreement": None}, bare)) == {}
    assert rang(Alarms(), []) == rang(Alarms(), [{"step": 1, "loss": 2.0}]) == {}


def test_a_young_value_network_may_explain_nothing():
    assert rang(Alarms(), log(CALM | {"explained_variance": -1.0}, CALM)) == {}


def test_an_alarm_is_told_once_and_stops_as_long_as_it_rings(capsys):
    before, after = log(CALM, CALM | {"kl": 30.0})[:-1], log(CALM, CALM | {"kl": 30.0})[-1]
    for action in ("warn", "stop"):
        bell = Bell(Alarms(action=action), before)
        assert capsys.readouterr().out.count("alarm: KL") == 1  # what an earlier start has told, again
        why = bell.hear(after)
        assert capsys.readouterr().out == ""
        assert bool(why) == (action == "stop")
    assert why.startswith("alarm: KL to the starting student, nats a response, is 30 over 1000 episodes to")
    assert "above 20 (alarms.kl); what led here is kept: give alarms.kl another threshold" in why
    assert not Bell(Alarms(action="stop", kl=31.0), before).hear(after)


def test_too_few_labels_ring():
    assert of_labels(Alarms(), 20, 100) == of_labels(Alarms(labelled=None), 1, 100) == []
    (ring,) = of_labels(Alarms(), 19, 100)
    assert ring.text == "19 of 100 queries have a label: 0.19 is below 0.2"


def test_a_reward_model_below_chance_rings_where_its_interval_says_so():
    def measured(**pairs):
        return {"preference": {"value": 0.4, "n": 30, "low": 0.2, "high": 0.6} | pairs}

    assert of_reward_model(Alarms(), measured()) == []
    assert of_reward_model(Alarms(), measured(value=None, high=None)) == []
    assert of_reward_model(Alarms(reward_accuracy=None), measured(high=0.4)) == []
    (ring,) = of_reward_model(Alarms(), measured(high=0.49))
    assert ring.text.startswith("the reward model ranks 0.4 of 30 held-out pairs rightly, at most 0.49")


def test_a_step_without_state_warns_or_ends(capsys):
    sound(Alarms(), [Ring("labelled", "few")])
    assert capsys.readouterr().out == "alarm: few (alarms.labelled)\n"
    sound(Alarms(action="stop"), [])
    with pytest.raises(UserError, match="few .*give alarms.labelled another threshold or null"):
        sound(Alarms(action="stop"), [Ring("labelled", "few")])
