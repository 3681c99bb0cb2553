"""Teachers and students: where a model comes from, how it is run, sampled, and how it judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from scripts.lib.config.block import Name, Revision
from scripts.lib.engines.base import Run
from scripts.lib.engines.openai.server import Server
from scripts.lib.engines.registry import IN_TRAINING, engine_class
from scripts.lib.labels.settings import Combination, Judging, Vote
from scripts.lib.models.settings import FromScratch
from scripts.lib.samples.settings import (
    Import,
    RepeatedSampling,
    Sampling,
    SecondRound,
    StudentSampling,
)
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import Seed, StepSettings


@dataclass(frozen=True, kw_only=True)
class Pretraining(FromScratch):
    """A model trained from scratch on an embedded world's corpus."""

    dataset: str
    """The world."""


@dataclass(frozen=True, kw_only=True)
class Placement(StepSettings):
    """What the jobs that run or train a model ask SLURM for, in its Snakemake names; null: the profile's."""

    slurm_partition: Annotated[str | None, Source("ours")] = None
    """Partition."""
    gpu_model: Annotated[str | None, Source("ours")] = None
    """Model of GPU, as `sinfo -o %G` names it."""
    constraint: Annotated[str | None, Source("ours")] = None
    """Features that a node must have, as in `nvlink&ib`."""
    qos: Annotated[str | None, Source("ours")] = None
    """Quality of service."""
    slurm_account: Annotated[str | None, Source("ours")] = None
    """Account."""

    @property
    def given(self) -> dict[str, str]:
        """What is not left to the profile."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Model(Run):
    """Where a model comes from: `pretrained` here, or `model` on the hub or on disk; and how it is run."""

    CUT: ClassVar[tuple[str, ...]] = (*Run.CUT, "billions", "gpus", "resources", "shards", "shard_minutes")
    """Keys that say how the work is cut: no part of a result."""

    pretrained: Annotated[str | None, Source("ours")] = None
    """Name in `models`: made here."""
    model: Annotated[str | None, Source("ours")] = None
    """Hub id or folder, or the name at a server."""
    revision: Annotated[Revision | None, Source("ours")] = None
    """Hub revision; pin it."""
    billions: Annotated[float | None, Gt(0), Source("ours")] = None
    """Parameters in 1e9; null: read from the model's weights or config.json."""
    gpus: Annotated[int | None, Ge(0), Source("ours")] = None
    """GPUs of a job that runs it; null: tensor_parallel_size times pipeline_parallel_size, none under 50
    million parameters."""
    resources: Annotated[Placement, Source("ours")] = Placement()
    """Where on a SLURM cluster it is run and trained; null: where the profile says."""
    shards: Annotated[int | None, Gt(0), Source("ours")] = None
    """Jobs that each of its sampling and judging steps is split into; null: one, or by `shard_minutes`."""
    shard_minutes: Annotated[float | None, Gt(0), Source("ours")] = None
    """As many shards as keep each within so many minutes, by the plan's hours at most (exclusive with
    `shards`)."""

    @property
    def remote(self) -> bool:
        """Whether a server runs it."""
        return engine_class(self.engine).remote


@dataclass(frozen=True, kw_only=True)
class Judge(Judging):
    """How a teacher scores responses from 0 to 5 (Figure 6): open-ended data sets, and Table 5."""

    prompt: Annotated[Name, Source("Figure 6")] = "judge"
    """Template in config/prompts, without .jinja."""
    combine: Annotated[Combination, Source("silent")] = "mean"
    """How several scores become one."""


@dataclass(frozen=True, kw_only=True)
class Teacher(Model):
    """A model with its sampling and its judgement."""

    base: Annotated[Sampling, Source("App. C")] = Sampling()
    """First round, of every query."""
    again: Annotated[SecondRound | None, Source("App. C")] = SecondRound()
    """Second round, of queries of low agreement; null: none."""
    vote: Annotated[Vote, Source("App. C")] = Vote()
    """How samples become a label."""
    judge: Annotated[Judge, Source("Figure 6")] = Judge()
    """How it scores responses."""
    server: Annotated[Server | None, Source("ours")] = None
    """Where the model is served (engine: openai)."""
    samples: Annotated[tuple[Import, ...], Source("ours")] = ()
    """Imported completions instead of a model."""
    seed: Annotated[Seed, Source("ours")] = 0
    """Of the draws."""
    compare: Annotated[tuple[str, ...], Source("ours")] = ()
    """Other teachers whose votes the report shows beside this one's."""

    @property
    def in_training(self) -> Teacher:
        """The teacher as a training asks it: where a server runs it, there; else by transformers, in the
        training's first process."""
        if self.remote:
            return self
        return replace(self, engine=IN_TRAINING, tensor_parallel_size=1, pipeline_parallel_size=1, nodes=1)


@dataclass(frozen=True, kw_only=True)
class Student(Model):
    """The model to distil into."""

    sampling: Annotated[StudentSampling, Source("App. C")] = StudentSampling()
    """How the warm student is sampled (Eq. 4)."""
    repeated: Annotated[RepeatedSampling, Source("ours")] = RepeatedSampling()
    """How a student answers a benchmark where one of several answers is taken (majority, best-of-n)."""
    samples: Annotated[tuple[Import, ...], Source("ours")] = ()
    """Imported completions instead of sampling the warm student."""
