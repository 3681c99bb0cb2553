"""A training that is given another's GPU-hours: how many updates, how often validated, and when it says so
itself."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import WORLD, layers, read
from scripts.lib.config.whole import Config
from scripts.lib.errors import UserError
from scripts.lib.workflow.costs import Costs
from scripts.lib.workflow.matched import hours, matched
from scripts.lib.workflow.overview import settings_table
from scripts.lib.workflow.sizes import sized

PAPER = Path("config/paper.yaml")
ROW = {"dataset": "gsm8k", "teacher": "llama3-8b", "student": "llama3-1b", "variant": "sft_matched"}


@pytest.fixture
def raw() -> dict:
    return read(PAPER)


def config_of(raw: dict) -> Config:
    return matched(sized(parse(raw)), [ROW, ROW | {"variant": "ours"}])


def settings(raw: dict):
    return config_of(raw).training("variant", **ROW)


def test_updates_follow_from_the_hours_to_two_digits(raw: dict) -> None:
    costs, training = Costs(config_of(raw)), settings(raw)
    assert float(f"{training.max_steps:.2g}") == training.max_steps > 10_000
    for steps, below in ((0.9, True), (1.1, False)):
        raw["variants"]["sft_matched"]["training"] = {"max_steps": int(steps * training.max_steps)}
        other = hours(Costs(sized(parse(raw))), ROW)
        assert (other < hours(costs, ROW | {"variant": "ours"})) is below


def test_it_is_the_best_of_as_many_checkpoints(raw: dict) -> None:
    """200,000 episodes of 40, validated every 250 iterations: 20."""
    training = settings(raw)
    assert training.max_steps // training.eval_steps == 20
    raw["variants"]["ours"]["training"] = {"eval_every": 500}
    assert (found := settings(raw)).max_steps // found.eval_steps == 10


def test_more_episodes_are_more_updates_and_other_settings_stay(raw: dict) -> None:
    first = settings(raw)
    raw["variants"]["ours"]["training"] = {"total_episodes": 400_000}
    second = settings(raw)
    assert 1.5 < second.max_steps / first.max_steps < 2
    assert (second.learning_rate, second.patience, second.gpus) == (5e-6, 0, 4)


def test_student_samples_and_the_reward_model_count_but_not_with_the_label_alone(raw: dict) -> None:
    costs = Costs(sized(parse(raw)))
    place = {key: ROW[key] for key in ("dataset", "teacher", "student")}

    def spent(*jobs) -> float:
        return sum(job.seconds * job.gpu for job in jobs) / 3600

    samples = costs.sample_student(place | {"warmup": "wo_r"})
    warmup = costs.of("train_sft", place | {"variant": "wo_r"})
    reward = costs.of("train_reward", place | {"reward": "ours"})
    ours = costs.of("train_ppo", place | {"variant": "ours"})
    rlvr = costs.of("train_ppo", place | {"variant": "rlvr"})
    dpo = costs.of("train_dpo", place | {"variant": "dpo"})
    rft, rft_2 = (costs.of("train_sft", place | {"variant": name}) for name in ("rft", "rft_2"))
    again = costs.sample_student(place | {"warmup": "rft"})
    names = ("ours", "rlvr", "dpo", "wo_d", "icl", "rft_2")
    found = {name: hours(costs, place | {"variant": name}) for name in names}
    assert found["rft_2"] == pytest.approx(spent(samples, warmup, rft, again, rft_2))
    assert found["ours"] == pytest.approx(spent(samples, warmup, reward, ours))
    assert found["rlvr"] == pytest.approx(spent(samples, warmup, rlvr))
    assert found["dpo"] == pytest.approx(spent(samples, warmup, reward, dpo))
    assert found["wo_d"] == pytest.approx(found["ours"]) and found["icl"] == 0


@pytest.mark.parametrize("change", [{"gpu": "a100"}, {"max_hours": 3}])
def test_the_site_has_no_say(raw: dict, change: dict) -> None:
    assert settings(raw | change) == settings(raw)


def test_what_has_been_fetched_has_no_say(raw: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings(raw)
    monkeypatch.setattr("scripts.lib.workflow.costs.rows_of", lambda *_: 70)
    assert settings(raw) == first


def test_a_number_of_its_own_stands(raw: dict) -> None:
    raw["variants"]["sft_matched"]["training"] = {"max_steps": 77}
    assert config_of(raw).overrides == sized(parse(raw)).overrides
    world = sized(parse(read(WORLD)))
    row = {"dataset": "world", "teacher": "tiny", "student": "tiny", "variant": "sft_matched"}
    assert matched(world, [row]) == world


def test_the_plan_gives_the_reason(raw: dict) -> None:
    layered = layers(PAPER)
    text = settings_table(config_of(raw), layered, [ROW])
    (line,) = [line for line in text.splitlines() if line.strip().startswith("training.max_steps")]
    assert line.endswith("17 GPU-hours, ours 17.3, by the plan's model of an H100")


def test_without_a_size_it_stops_with_the_key_to_set(raw: dict) -> None:
    raw["students"]["llama3-1b"] |= {"billions": None, "model": "no/such"}
    with pytest.raises(UserError, match=r"students\.llama3-1b: the size of no/such is not known here"):
        config_of(raw)


@pytest.mark.parametrize("other", ["icl", "sft_matched"])
def test_only_what_is_trained_by_its_own_settings_can_be_matched(raw: dict, other: str) -> None:
    raw["variants"]["sft_matched"]["matches"] = other
    with pytest.raises(UserError, match=r"variants\.sft_matched\.matches: name a variant that is trained"):
        parse(raw)
    raw["variants"]["sft_matched"]["matches"] = "none"
    with pytest.raises(UserError, match=r"'none' is not in `variants`"):
        parse(raw)
