"""Rewards and variants: what is trained, from what, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from scripts.lib.config.block import Block, Share
from scripts.lib.training.settings.base import Training
from scripts.lib.training.settings.dpo import DpoTraining
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.settings.reward import RewardTraining
from scripts.lib.training.settings.sft import SftTraining


class PairSettings(Block):
    """Preference pairs (Eq. 5, 6)."""

    answers: Literal["both", "teacher", "student"] = Field(
        "both",
        description="whose: both (Eq. 5), or one model's own right over wrong (Table 6's ORM-T, ORM-S)",
    )
    max_student_pairs: NonNegativeInt = Field(
        6, description="S over S pairs (of ORM-T, T over T) a query; 0: all"
    )
    max_teacher_pairs: NonNegativeInt = Field(4, description="T+ over S+ pairs a query; 0: all")
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


class NoTraining(Block):
    """The base student (ICL) or the teacher, as they are."""

    method: Literal["icl", "teacher"]


class Sft(Trained):
    """Supervised fine-tuning on all teacher answers, or on the good ones (Eq. 2)."""

    method: Literal["sft"]
    answers: Literal["all", "good"]
    training: SftTraining = Field(default_factory=SftTraining)


class Ppo(Trained):
    """PPO from the `warmup` variant's student under the reward model `reward`."""

    method: Literal["ppo"]
    warmup: str
    reward: str
    queries: str | None = Field(
        None,
        description="reward whose pairs' queries are D_R; null: those of `reward` (for Table 6: one D_R for all)",
    )
    training: PpoTraining = Field(default_factory=PpoTraining)


class Dpo(Trained):
    """DPO from the `warmup` variant's student on the pairs of `reward`."""

    method: Literal["dpo"]
    warmup: str
    reward: str
    training: DpoTraining = Field(default_factory=DpoTraining)


class RewardOnly(Block):
    """Stop after the reward model and its evaluation."""

    method: Literal["reward"]
    reward: str


Variant = Annotated[NoTraining | Sft | Ppo | Dpo | RewardOnly, Field(discriminator="method")]
