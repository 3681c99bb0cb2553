"""Reward models: what is trained, from what, and how."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scripts.lib.config.block import Block
from scripts.lib.labels.settings import Pairing
from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import Training
from scripts.lib.training.settings.reward import RewardTraining


class Trained(Block):
    """What is trained, with its settings."""

    training: Training
    """Its settings."""


class Reward(Trained):
    """A reward model: whose student samples it learns from, which pairs, and how."""

    warmup: str
    """Variant that gives the warm student (App. C.2)."""
    pairs: Annotated[Pairing, Source("Eq. 5, 6")] = Pairing()
    """Which pairs it learns."""
    training: RewardTraining = Field(default_factory=RewardTraining)
    """How it learns them."""
