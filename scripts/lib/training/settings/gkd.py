"""Settings of on-policy distillation with the teacher's logits (GKD)."""

from dataclasses import dataclass
from typing import Annotated

from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import Generating, NonNegativeInt, PositiveFloat, PositiveInt, Share


@dataclass(frozen=True, kw_only=True)
class GkdTraining(Generating):
    """On-policy distillation with the teacher's logits (GKD, arXiv 2306.13649)."""

    learning_rate: Annotated[PositiveFloat, Source("silent: as the warm-up")] = 5e-6
    per_device_train_batch_size: Annotated[PositiveInt, Source("silent: as the warm-up")] = 21
    gradient_accumulation_steps: Annotated[PositiveInt, Source("silent: as the warm-up")] = 4
    num_train_epochs: Annotated[PositiveFloat, Source("silent: ours")] = 1.0
    eval_steps: Annotated[PositiveInt, Source("silent: as the warm-up")] = 100
    patience: Annotated[NonNegativeInt, Source("silent: as the warm-up")] = 0
    gradient_checkpointing: Annotated[bool, Source("ours: student and teacher at once")] = True
    gpus: Annotated[PositiveInt, Source("silent: as the warm-up")] = 4
    answers_per_query: Annotated[NonNegativeInt, Source("ours")] = 1
    """At most so many distinct teacher answers per query, spread over the temperatures; 0: all."""
    lmbda: Annotated[Share, Source("TRL's GKDConfig")] = 0.5
    """Share of the examples whose answer is the student's own, drawn when its turn comes."""
    beta: Annotated[Share, Source("TRL's GKDConfig")] = 0.5
    """Of the divergence: 0 is KL(teacher, student), 1 KL(student, teacher), between them Jensen-Shannon's."""
    temperature: Annotated[PositiveFloat, Source("the paper of GKD, section 4")] = 1.0
    """Of the student's own answers."""
