"""What chooses the checkpoints of a data set's students where the config leaves it open."""

from __future__ import annotations

from dataclasses import replace

from scripts.lib.config.data import Dataset
from scripts.lib.config.whole import Config
from scripts.lib.data.settings import Choosers
from scripts.lib.tasks import is_judged


def decided(config: Config) -> Config:
    """The config with every data set's `chosen_by`; of judged ones it stays None."""
    datasets = {
        name: replace(block, chosen_by=chooser(block, fetched=is_fetched(config, block)))
        for name, block in config.datasets.items()
    }
    return config.model_copy(update={"datasets": datasets})


def is_fetched(config: Config, block: Dataset) -> bool:
    """Whether the questions come from the hub."""
    return block.queries is not None and block.queries.name in config.downloads


def chooser(block: Dataset, fetched: bool) -> Choosers | None:
    """As the config says, else golds where the questions have a column of answers, else votes.

    A file that is `fetched` is not looked at: it comes while the run goes on, and each of its jobs must find
    the same. The step that splits it stops where golds are missing.
    """
    if block.chosen_by or is_judged(block.task):
        return block.chosen_by
    return "golds" if fetched or block.answered else "votes"
