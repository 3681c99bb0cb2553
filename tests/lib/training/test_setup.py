"""What TRL's trainers are told."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.settings.reward import RewardTraining
from scripts.lib.training.setup import halves, saved_dtype, settled, trainer_arguments

AMX = "processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\nbugs\t\t: amx_bf16\n"


@pytest.mark.parametrize(
    ("cpuinfo", "size", "half"),
    [
        (AMX, 0.135, True),
        (AMX, None, True),
        (AMX, 0.01, True),
        (AMX, 0.0002, False),
        (AMX.replace("amx_bf16 amx_tile", "avx512f"), 0.135, False),
        (AMX.replace("amx_bf16 ", "amx_bf16_complex "), 0.135, False),
        ("Features\t: fp asimd bf16\n", 0.135, False),
        ("", 0.135, False),
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_multiplies_it(cpuinfo, size, half):
    assert halves(cpuinfo, size) is half


@pytest.mark.parametrize(
    ("cuda", "amx", "asked", "bf16"),
    [
        (False, False, None, False),
        (False, True, None, True),
        (True, False, None, True),
        (True, True, False, False),
        (False, False, True, True),
    ],
)
def test_what_is_asked_for_goes_before_what_the_machine_has(monkeypatch, tiny, cuda, amx, asked, bf16):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr("scripts.lib.training.setup.halves", lambda cpuinfo, size: amx)
    assert settled(PpoTraining(bf16=asked), str(tiny), None) == PpoTraining(bf16=bf16)


@pytest.mark.parametrize(("cuda", "bf16"), [(False, False), (True, True)])
def test_every_setting_reaches_the_trainer(monkeypatch, cuda, bf16):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    training = RewardTraining(
        learning_rate=0.25,
        per_device_train_batch_size=12,
        gradient_accumulation_steps=4,
        num_train_epochs=2.5,
        max_steps=70,
        lr_scheduler_type="cosine",
        warmup_steps=3,
        eval_steps=5,
        gradient_checkpointing=False,
        bf16=bf16,
    )
    assert trainer_arguments(Path("state"), "cls_accuracy", training, 11, 6, 8) == {
        "output_dir": "state",
        "per_device_train_batch_size": 6,
        "per_device_eval_batch_size": 6,
        "gradient_accumulation_steps": 8,
        "learning_rate": 0.25,
        "num_train_epochs": 2.5,
        "max_steps": 70,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 3,
        "gradient_checkpointing": False,
        "bf16": bf16,
        "use_cpu": not cuda,
        "dataloader_pin_memory": cuda,
        "seed": 11,
        "data_seed": 11,
        "eval_strategy": "steps",
        "eval_steps": 5,
        "save_strategy": "steps",
        "save_steps": 5,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "cls_accuracy",
        "greater_is_better": True,
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
        "remove_unused_columns": False,
    }


def test_the_dtype_of_a_folder_is_what_its_config_says(tmp_path, tiny):
    from transformers import AutoConfig

    assert saved_dtype(str(tiny)) == torch.float32
    config = AutoConfig.from_pretrained(tiny)
    config.dtype = "bfloat16"
    config.save_pretrained(tmp_path)
    assert saved_dtype(str(tmp_path)) == torch.bfloat16
