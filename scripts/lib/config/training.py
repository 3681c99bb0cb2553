"""Reward models: what is trained, from what, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from scripts.lib.config.block import Block, Share
from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import Training
from scripts.lib.training.settings.reward import RewardTraining


class PairSettings(Block):
    """Preference pairs (Eq. 5, 6)."""

    answers: Annotated[Literal["both", "teacher", "student"], Source("Eq. 5")] = "both"
    """Whose: both (Eq. 5), or one model's own right over wrong (Table 6's ORM-T, ORM-S)."""
    max_student_pairs: Annotated[NonNegativeInt, Source("silent: so that queries weigh the same")] = 6
    """S over S pairs (of ORM-T, T over T) per query; 0: all."""
    max_teacher_pairs: Annotated[NonNegativeInt, Source("silent: so that queries weigh the same")] = 4
    """T+ over S+ pairs per query; 0: all."""
    teacher_ratio: NonNegativeFloat | None = None
    """Teacher pairs for one student pair (App. E.2); null: as they come."""
    validation_fraction: Annotated[Share, Source("silent: as App. C.1's of the questions")] = 0.1
    """Share of the queries whose pairs are held out."""


class Trained(Block):
    """What is trained, with its settings."""

    training: Training
    """Its settings."""


class Reward(Trained):
    """A reward model: whose student samples it learns from, which pairs, and how."""

    warmup: str
    """Variant that gives the warm student (App. C.2)."""
    pairs: Annotated[PairSettings, Source("Eq. 5, 6")] = PairSettings()
    """Which pairs it learns."""
    training: RewardTraining = Field(default_factory=RewardTraining)
    """How it learns them."""
