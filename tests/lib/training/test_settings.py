"""Settings: one class for config, flags and run; the same bounds at each edge; every key with meaning and
source."""

from dataclasses import asdict, fields, replace

import pytest

from scripts.lib.errors import UserError
from scripts.lib.settings.source import sources
from scripts.lib.training.settings.dpo import DpoTraining
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.settings.reward import RewardTraining
from scripts.lib.training.settings.sft import SftTraining

EACH = [SftTraining, RewardTraining, DpoTraining, PpoTraining]
RLOO = {"advantage_estimator": "rloo", "num_generations": 2}
WRONG = [
    (SftTraining, {"learning_rate": 0.0}, "learning_rate"),
    (RewardTraining, {"patience": -1}, "patience"),
    (DpoTraining, {"max_length": 0}, "max_length"),
    (PpoTraining, {"gamma": 1.5}, "gamma"),
    (PpoTraining, {"missing_eos_penalty": 0.0}, "missing_eos_penalty"),
    (PpoTraining, {"batch_size": 40, "num_mini_batches": 3}, "must be a multiple of num_mini_batches"),
    (PpoTraining, {"kl_against": "old"}, "kl_in loss"),
    (PpoTraining, {"num_generations": 7}, "must be a multiple of num_generations 7"),
    (PpoTraining, {"advantage_estimator": "grpo"}, "set num_generations to at least 2"),
    (PpoTraining, {**RLOO, "value_warmup_iterations": 1}, "rloo has no value network to warm up"),
    (PpoTraining, {"reward_learning_rate": 0.1, "reward_design": "label"}, "label has none"),
    (PpoTraining, {**RLOO, "loss_type": "grpo"}, "rloo averages over responses; leave loss_type grpo out"),
]


@pytest.mark.parametrize("settings", EACH)
def test_defaults_hold_their_own_bounds_and_name_their_sources(settings) -> None:
    settings()
    assert set(sources(settings)) == {field.name for field in fields(settings)}
    assert set(settings.CUT) <= {field.name for field in fields(settings)}


@pytest.mark.parametrize("settings", EACH)
def test_every_key_has_a_meaning_inherited_or_its_own(settings) -> None:
    pydantic = pytest.importorskip("pydantic")
    found = pydantic.TypeAdapter(settings).json_schema()["properties"]
    assert all(item["description"] and item["source"] for item in found.values())


@pytest.mark.parametrize(("settings", "values", "message"), WRONG)
def test_a_wrong_value_is_refused_at_the_command_line_and_in_a_config(settings, values, message) -> None:
    with pytest.raises(UserError, match=message):
        settings(**values)
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(pydantic.ValidationError, match=message):
        pydantic.TypeAdapter(settings).validate_python(values)


def test_a_config_gives_what_the_flags_give() -> None:
    pydantic, tyro = pytest.importorskip("pydantic"), pytest.importorskip("tyro")
    given = {
        "learning_rate": 1,
        "max_grad_norm": 0.5,
        "missing_eos_penalty": None,
        "bf16": True,
        "rollout": "vllm",
        "fsdp": False,
    }
    words = [
        "--learning-rate",
        "1",
        "--max-grad-norm",
        "0.5",
        "--missing-eos-penalty",
        "None",
        "--bf16",
        "True",
        "--rollout",
        "vllm",
        "--no-fsdp",
    ]
    from_config = pydantic.TypeAdapter(PpoTraining).validate_python(given)
    assert from_config == tyro.cli(PpoTraining, args=words)


def test_how_the_work_is_cut_shapes_no_result() -> None:
    settings = SftTraining(per_device_train_batch_size=21, gradient_accumulation_steps=4)
    cut = replace(
        settings, per_device_train_batch_size=42, gradient_accumulation_steps=2, gradient_checkpointing=True
    )
    assert settings.shape(4) == cut.shape(4) == replace(cut, gpus=8, generation_batch_size=8).shape(4)
    assert settings.shape(4) == settings.shape(1) | {"train_batch_size": 336}
    assert settings.shape(4) != replace(settings, learning_rate=1e-4).shape(4)


CUT = {"gradient_checkpointing", "gpus"}
STEPS = {"per_device_train_batch_size", "gradient_accumulation_steps"}


@pytest.mark.parametrize(
    ("settings", "cut"),
    [
        (SftTraining, {*CUT, *STEPS, "generation_batch_size"}),
        (RewardTraining, {*CUT, *STEPS}),
        (DpoTraining, {*CUT, *STEPS, "generation_batch_size"}),
        (
            PpoTraining,
            {*CUT, "fsdp", "max_tokens_per_micro_batch", "vllm_gpu_memory_utilization", "save_every"}
            | {"max_judgements"},
        ),
    ],
)
def test_all_other_settings_shape_the_result(settings, cut) -> None:
    """What another value of trains anew: everything but these."""
    assert set(asdict(settings())) - set(settings().shape(2)) == cut


def test_fewer_processes_make_an_update_in_more_steps() -> None:
    settings = SftTraining(per_device_train_batch_size=21, gradient_accumulation_steps=4)
    assert settings.on(4, 2).gradient_accumulation_steps == 8
    assert settings.on(4, 2).shape(2) == settings.shape(4)
    assert PpoTraining().on(2, 1) == PpoTraining()


@pytest.mark.parametrize(
    ("schedule", "rates"), [("linear", [1, 0.75, 0.5, 0.25]), ("constant", [1, 1, 1, 1])]
)
def test_ppos_rate_falls_from_whole_and_never_to_nothing(schedule, rates) -> None:
    settings = PpoTraining(total_episodes=33, batch_size=8, lr_scheduler_type=schedule)
    assert [settings.rate(k) for k in range(1, settings.iterations + 1)] == rates


def test_ppos_batch_is_whole_whatever_the_processes() -> None:
    settings = PpoTraining()
    assert settings.shape(1) == settings.shape(4)
    assert set(asdict(settings)) - set(settings.shape(1)) == set(PpoTraining.CUT)
