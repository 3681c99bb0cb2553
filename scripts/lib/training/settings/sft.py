"""Settings of the warm-up (Eq. 3)."""

from dataclasses import dataclass
from typing import Annotated

from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import Generating, NonNegativeInt, PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class SftTraining(Generating):
    """Warm-up (Eq. 3)."""

    learning_rate: Annotated[PositiveFloat, Source("App. C.2")] = 5e-6
    per_device_train_batch_size: Annotated[PositiveInt, Source("Table 7: 84 on a GPU, in four steps")] = 21
    gradient_accumulation_steps: Annotated[PositiveInt, Source("Table 7: 84 on a GPU, in four steps")] = 4
    eval_steps: Annotated[PositiveInt, Source("Table 7, Save Steps")] = 100
    patience: Annotated[NonNegativeInt, Source("App. C.2: all epochs, the best checkpoint on validation")] = 0
    gpus: Annotated[PositiveInt, Source("App. C.2")] = 4
    answers_per_query: Annotated[NonNegativeInt, Source("Eq. 2")] = 0
    """At most so many distinct teacher answers per query, spread over the temperatures; 0: all."""
    learn_reasoning: Annotated[bool, Source("ours")] = False
    """Whether a teacher's thoughts are learnt, too, in the form of the student's chat template, else between
    <think> and </think>."""
