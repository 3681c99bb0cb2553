"""Settings of direct preference optimisation (Table 11)."""

from dataclasses import dataclass
from typing import Annotated

from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import Generating, NonNegativeInt, PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class DpoTraining(Generating):
    """Direct preference optimisation on the reward model's pairs (Table 11)."""

    learning_rate: Annotated[PositiveFloat, Source("silent: TRL's DPOConfig")] = 1e-6
    per_device_train_batch_size: Annotated[PositiveInt, Source("silent: ours, 24 on a GPU, in two steps")] = (
        12
    )
    gradient_accumulation_steps: Annotated[PositiveInt, Source("silent: ours, 24 on a GPU, in two steps")] = 2
    num_train_epochs: Annotated[PositiveFloat, Source("silent: ours")] = 1.0
    eval_steps: Annotated[PositiveInt, Source("silent: as the warm-up")] = 100
    patience: Annotated[NonNegativeInt, Source("silent: as the reward model")] = 3
    gradient_checkpointing: Annotated[bool, Source("ours: policy and reference at once")] = True
    gpus: Annotated[PositiveInt, Source("silent: as the warm-up")] = 4
    beta: Annotated[PositiveFloat, Source("silent: TRL's DPOConfig")] = 0.1
    """How close the policy stays to the reference."""
