"""The whole config: its blocks by name, what overrides them, and the part that one study needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Gt, Le
from pydantic import Field, TypeAdapter, model_validator

from scripts.lib.config.block import Block, Folder, Name
from scripts.lib.config.data import Benchmark, Dataset, Download
from scripts.lib.config.models import Pretraining, Student, Teacher
from scripts.lib.config.training import Reward
from scripts.lib.config.variants import Variant
from scripts.lib.models.settings import Untrained
from scripts.lib.process.alarms import Alarms
from scripts.lib.settings.source import Source

STUDY_COLUMNS = ("dataset", "teacher", "student", "variant", "seed")


class Override(Block):
    """Settings that hold only for some combinations (the paper's Tables 7 and 8)."""

    where: dict[Literal["dataset", "teacher", "student", "variant", "reward"], str | list[str]]
    """Names that must match, one or several per key; a variant or a reward is named always."""
    training: dict[str, Any]
    """Keys of the training block to replace."""
    reason: str | None = None
    """Why, as the plan and the report show it."""

    def holds(self, names: dict[str, str]) -> bool:
        """Whether every key of `where` allows the name given for it."""
        return all(names.get(key) in listed(allowed) for key, allowed in self.where.items())


class Axis(Block):
    """What a study varies, for a curve of its accuracies."""

    label: str
    """Of the curve's axis; of shares, it ends in %."""
    at: dict[str, float | dict[str, float]] | None = None
    """Where the rows of a data set, teacher or student stand on it, by its name, or by the names of panels,
    each with names of its own; null: at the accuracy of their teacher, which the study then needs as a row.
    """
    log: Annotated[bool, Source("ours")] = False
    """Equal factors are equally far apart."""

    @property
    def panels(self) -> dict[str, dict[str, float] | None]:
        """What stands where, by panel; what is in none under ""."""
        if self.at is None:
            return {"": None}
        alone = {name: place for name, place in self.at.items() if not isinstance(place, dict)}
        named = {name: places for name, places in self.at.items() if isinstance(places, dict)}
        return {**({"": alone} if alone else {}), **named}

    @model_validator(mode="after")
    def _positive(self) -> Self:
        places = [place for panel in self.panels.values() for place in (panel or {}).values()]
        if self.log and not all(place > 0 for place in places):
            raise ValueError("log has no room for places of 0 and below")
        return self


class Study(Block):
    """Rows to compare."""

    table: Path
    """TSV with the columns dataset, teacher, student, variant, seed."""
    benchmarks: list[str] = []
    """What every row is evaluated on; none: a study of reward models."""
    axis: Axis | None = None
    """Draw accuracies as curves over what the study varies; null: it varies nothing that has an order."""


class Config(Block):
    """The whole config."""

    store: Annotated[Folder, Source("ours")] = Path("store")
    """Folder of the sample store."""
    state: Annotated[Folder, Source("ours")] = Path("state")
    """Folder of unfinished trainings."""
    max_hours: Annotated[float, Gt(0), Le(8760), Source("ours")] = 24
    """Longest time a job asks SLURM for, in hours; what it cuts off goes on by itself in another job."""
    slack: Annotated[float, Gt(0), Le(1000), Source("ours")] = 1
    """Times its hours at most, by the plan, that a job may hold in all its attempts and calls."""
    gpu: Annotated[Literal["a100", "h100", "h200"], Source("App. C.2")] = "h100"
    """The GPUs of this site, for what fits on them and for the plan's hours."""
    gpus_per_node: Annotated[int, Gt(0), Source("ours")] = 8
    """GPUs of a node of this site; a model or a training that needs more goes over several nodes."""
    report_to: Annotated[list[Literal["tensorboard", "wandb"]], Source("ours")] = ["tensorboard"]
    """Who else gets every training step's metrics; changing it runs nothing again."""
    alarms: Alarms = Field(default_factory=Alarms)
    """When a run says that something goes wrong, or ends for it."""
    models: dict[Name, Pretraining | Untrained] = {}
    """Models that are made here, from scratch."""
    seeds: Annotated[int | None, Gt(0), Source("ours")] = None
    """Keep the rows of so many seeds of each study's table, the first ones; null: all."""
    downloads: dict[Name, Download] = {}
    """Files of data/, by their names there."""
    datasets: dict[Name, Dataset]
    """Queries to distil on."""
    teachers: dict[Name, Teacher]
    """Models to distil from, each with its sampling, its vote and its judgement."""
    students: dict[Name, Student]
    """Models to distil into, each with its sampling."""
    rewards: dict[Name, Reward] = {}
    """Reward models."""
    variants: dict[Name, Variant]
    """The methods that a study's rows name."""
    benchmarks: dict[Name, Benchmark] = {}
    """Held-out questions with golds."""
    overrides: list[Override] = []
    """Settings of some combinations only, each over those before it."""
    studies: dict[Name, Study]
    """What is compared, and on what."""

    def training(self, kind: str, **names: str) -> Any:
        """The `training` block of names[kind] with every matching override applied, in order."""
        blocks: dict[str, dict[str, Any]] = {"variant": self.variants, "reward": self.rewards}
        block = blocks[kind][names[kind]].training
        changes: dict[str, Any] = {}
        for override in self.overrides:
            if kind in override.where and override.holds(names):
                changes |= override.training
        settings: Any = type(block)
        return adapter(settings).validate_python(asdict(block) | changes)


@cache
def adapter(block: type) -> TypeAdapter:
    """What checks a settings class, made once: a plan of the paper's matrix asks for a thousand trainings."""
    return TypeAdapter(block)


def needed(config: Config, variants: Iterable[str]) -> tuple[set[str], set[str]]:
    """The variants and the reward models that these variants need, themselves among them."""
    found: set[str] = set()
    rewards: set[str] = set()
    new = set(variants)
    while new:
        found |= new
        blocks = [config.variants[name] for name in new]
        rewards |= _named(blocks, "reward", "queries_of")
        others = _named(blocks, "warmup", "samples_of", "matches")
        new = (others | {config.rewards[name].warmup for name in rewards}) - found
    return found, rewards


def _named(blocks: Iterable[Variant], *keys: str) -> set[str]:
    return {name for block in blocks for key in keys if (name := getattr(block, key, None))}


def used(config: Config, study: str, table: list[dict]) -> Config:
    """The config without the blocks that no row of a study needs."""
    names = {column: {row[column] for row in table} for column in STUDY_COLUMNS}
    names["variant"], names["reward"] = needed(config, names["variant"])
    names["teacher"] |= {other for name in names["teacher"] for other in config.teachers[name].compare}
    names["benchmark"] = set(config.studies[study].benchmarks)
    names["dataset"] |= {config.benchmarks[name].dataset for name in names["benchmark"]} - {None}
    names["dataset"] |= {name for key in names["benchmark"] for name in config.benchmarks[key].trained_on}
    owners = [config.teachers[name] for name in names["teacher"]] + [
        config.students[name] for name in names["student"]
    ]
    names["model"] = {block.pretrained for block in owners} - {None}
    names["dataset"] |= {getattr(config.models[name], "dataset", None) for name in names["model"]} - {None}
    kept = {
        f"{key}s": {k: v for k, v in getattr(config, f"{key}s").items() if k in wanted}
        for key, wanted in names.items()
        if key != "seed"
    }
    return config.model_copy(update=kept | {"studies": {study: config.studies[study]}})


def listed(value: str | list[str]) -> list[str]:
    """One name or several, as a list."""
    return [value] if isinstance(value, str) else value
