"""Settings of the reward model (Eq. 7 to 9)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Supervised,
)


@dataclass(frozen=True, kw_only=True)
class RewardTraining(Supervised):
    """Reward model (Eq. 7 to 9)."""

    learning_rate: Annotated[PositiveFloat, Source("App. C.2")] = 5e-5
    per_device_train_batch_size: Annotated[PositiveInt, Source("App. C.2")] = 48
    gradient_accumulation_steps: Annotated[PositiveInt, Source("App. C.2")] = 1
    eval_steps: Annotated[PositiveInt, Source("silent: as the warm-up")] = 100
    patience: Annotated[NonNegativeInt, Source("App. C.2 stops early; how patiently: silent")] = 3
    gradient_checkpointing: Annotated[bool, Source("ours: 96 answers side by side")] = True
    gpus: Annotated[PositiveInt, Source("App. F")] = 1
    loss: Annotated[Literal["both", "classification"], Source("Eq. 9")] = "both"
    """both: Eq. 9; classification: Eq. 7 alone, an outcome reward model (Table 6's ORM)."""
    lam: Annotated[NonNegativeFloat, Source("App. C, Eq. 9")] = 0.5
    """lambda of Eq. 9, the weight of the classification loss beside the preference loss."""
