"""Settings of a trainer, its precision, and the environment it starts in."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from scripts.lib.models.size import billions
from scripts.lib.training.settings.base import Supervised, Training

AnyTraining = TypeVar("AnyTraining", bound=Training)

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

DISTRIBUTED = {"gradient_as_bucket_view": True}
"""Of DDP, for every trainer: by default a process holds each gradient twice, the second time in the buckets
that it sends."""


_SMALL = 0.01
"""Billions of parameters below which bfloat16 gains a CPU nothing: such a model's time goes into calls."""


def settled(training: AnyTraining, model: str, revision: str | None) -> AnyTraining:
    """The training with its precision decided: where `bf16` is open, by this machine and the model's size."""
    import torch

    if training.bf16 is not None:
        return training
    cpuinfo = Path("/proc/cpuinfo")
    said = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    half = torch.cuda.is_available() or halves(said, billions(model, revision))
    return replace(training, bf16=half)


def halves(cpuinfo: str, size: float | None) -> bool:
    """Whether a CPU (the text of /proc/cpuinfo) trains a model of so many 1e9 parameters (None: unknown) best
    in bfloat16: with AMX, whose tiles multiply it nearly four times as fast as AVX-512 does float32.

    AVX-512's own dot products (`avx512_bf16`) promise twice at most, less what autocast's conversions take.
    """
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.M)
    return flags is not None and "amx_bf16" in flags[1].split() and (size is None or size >= _SMALL)


def quiet() -> None:
    """No telemetry and no progress bars; call before transformers and trl are imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def micro_batch(training: Supervised, at_most: int) -> tuple[int, int]:
    """Examples a step, `at_most` so many, and the steps that make the update what it was."""
    update = training.per_device_train_batch_size * training.gradient_accumulation_steps
    size = next(size for size in range(at_most, 0, -1) if update % size == 0)
    return size, update // size


def trainer_arguments(
    folder: Path, metric: str, training: Supervised, seed: int, size: int, accumulation: int
) -> dict:
    """Keyword arguments of SFTConfig, RewardConfig and DPOConfig, of a `settled` training.

    A checkpoint in `folder` at every evaluation; the best by `metric` and the last are kept.
    Every update is logged, so that no average spans a checkpoint and a resumed run logs the same lines.
    """
    import torch

    cuda = torch.cuda.is_available()
    names = ["max_steps", "num_train_epochs", "learning_rate", "lr_scheduler_type", "warmup_steps"]
    names += ["eval_steps", "gradient_checkpointing"]
    return {name: getattr(training, name) for name in names} | {
        "output_dir": str(folder),
        "per_device_train_batch_size": size,
        "per_device_eval_batch_size": size,
        "gradient_accumulation_steps": accumulation,
        "seed": seed,
        "data_seed": seed,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "save_strategy": "steps",
        "save_steps": training.eval_steps,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": metric,
        "greater_is_better": True,
        "bf16": training.bf16,
        "use_cpu": not cuda,
        "dataloader_pin_memory": cuda,
        "disable_tqdm": True,
        "report_to": "none",
        "remove_unused_columns": False,
    }


def saved_dtype(model: str, revision: str | None = None):
    """The dtype a model folder or hub model says it is saved in; float32 if it says nothing."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=False)
    dtype = getattr(config, "dtype", None)
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype or torch.float32
