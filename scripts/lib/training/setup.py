"""Settings of a trainer, and the environment it starts in."""

import math
import os
from pathlib import Path

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def quiet() -> None:
    """No telemetry and no progress bars; call before transformers and trl are imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


PATHS = ("model", "revision", "output", "metrics", "state", "prompt", "queries", "samples", "grades", "pairs")
PATHS += ("teacher_samples", "student_samples", "validation", "validation_golds")
IMMATERIAL = ("report_to", "generation_batch_size")
TRAINING = ("max_steps", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps")
TRAINING += ("learning_rate", "lr_scheduler_type", "warmup_steps", "eval_steps", "report_to")
TRAINING += ("gradient_checkpointing", "seed")


def shaping(arguments: dict) -> dict:
    """A step's arguments that shape its result, files apart (their contents count, not their names)."""
    return {name: value for name, value in arguments.items() if name not in PATHS + IMMATERIAL}


def trainer_arguments(folder: Path, metric: str, arguments: dict) -> dict:
    """Keyword arguments of SFTConfig, RewardConfig and DPOConfig from a step's own; `bf16` None: on CUDA only.

    A checkpoint in `folder` at every evaluation; the best by `metric` and the last are kept. Lines are logged at least
    that often, so that no average spans a checkpoint and a resumed run logs the same lines.
    """
    import torch

    cuda = torch.cuda.is_available()
    bf16 = arguments["bf16"]
    return {name: arguments[name] for name in TRAINING} | {
        "output_dir": str(folder),
        "data_seed": arguments["seed"],
        "logging_steps": math.gcd(arguments["logging_steps"], arguments["eval_steps"]),
        "per_device_eval_batch_size": arguments["per_device_train_batch_size"],
        "eval_strategy": "steps",
        "save_strategy": "steps",
        "save_steps": arguments["eval_steps"],
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": metric,
        "greater_is_better": True,
        "bf16": cuda if bf16 is None else bf16,
        "use_cpu": not cuda,
        "dataloader_pin_memory": cuda,
        "disable_tqdm": True,
        "remove_unused_columns": False,
    }


def saved_dtype(model: str, revision: str | None = None):
    """The dtype a model folder or hub model says it is saved in; float32 if it says nothing."""
    import torch
    from transformers import AutoConfig

    dtype = getattr(AutoConfig.from_pretrained(model, revision=revision), "dtype", None)
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype or torch.float32
