"""Reward models: what is trained, from what, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from scripts.lib.config.block import Block, Share
from scripts.lib.training.settings.base import Training
from scripts.lib.training.settings.reward import RewardTraining


class PairSettings(Block):
    """Preference pairs (Eq. 5, 6)."""

    answers: Literal["both", "teacher", "student"] = Field(
        "both",
        description="whose: both (Eq. 5), or one model's own right over wrong (Table 6's ORM-T, ORM-S)",
    )
    max_student_pairs: NonNegativeInt = Field(
        6, description="S over S pairs (of ORM-T, T over T) a query; 0: all"
    )
    max_teacher_pairs: NonNegativeInt = Field(4, description="T+ over S+ pairs per query; 0: all")
    teacher_ratio: NonNegativeFloat | None = Field(
        None, description="teacher pairs for one student pair (App. E.2); null: as they come"
    )
    validation_fraction: Share = 0.1


class Trained(Block):
    """What is trained, with its settings."""

    training: Training


class Reward(Trained):
    """A reward model: whose student samples it learns from, which pairs, and how."""

    warmup: str = Field(description="variant that gives the warm student")
    pairs: PairSettings = PairSettings()
    training: RewardTraining = Field(default_factory=RewardTraining)
