"""Questions: what is fetched, made or read, to distil on and to be measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import PositiveInt

from scripts.lib.config.block import Block, Share, Task
from scripts.lib.settings.source import Source


class Download(Block):
    """A file of the hub, fetched by `make prefetch` or on first use into `data/`, under the name of the
    block."""

    repo: str
    """Data set on the hub."""
    revision: str
    """Full commit hash."""
    name: str | None = None
    """Configuration of the data set; null: its only one."""
    split: str | None = None
    """Split, as a Parquet file (exclusive with `file`)."""
    file: str | None = None
    """A file of the repository, as it is (exclusive with `split`)."""
    columns: list[str] = []
    """Columns to keep of a split; none: all."""
    rows: PositiveInt | None = None
    """Keep so many rows of a split, those of the smallest hash; null: all."""

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Download:
        if (self.split is None) == (self.file is None):
            raise ValueError("give exactly one of `split` and `file`")
        return self


class World(Block):
    """The embedded world: arithmetic word problems, made per seed."""

    pretraining: Annotated[PositiveInt, Source("ours: the smallest that teaches the habits")] = 20_000
    """Questions in the pretraining corpus of each role."""
    train: Annotated[PositiveInt, Source("ours")] = 2_000
    """Queries to distil on."""
    validation: Annotated[PositiveInt, Source("ours")] = 300
    """Validation questions."""
    test: Annotated[PositiveInt, Source("ours")] = 1_000
    """Held-out questions."""


class Asked(Block):
    """How a question is put, and how its answer is read."""

    task: Task
    """How answers are read and compared."""
    prompt: str
    """Template in config/prompts, without .jinja."""
    max_tokens: Annotated[PositiveInt, Source("App. C.2, GSM8K")] = 512
    """Longest completion, in tokens."""
    stop: list[str] = []
    """Strings that end a completion, which is cut before them; none: only the model's own end."""
    question_column: str | None = None
    """Column of the question in `queries`; null: found by its usual names."""
    answer_column: str | None = None
    """Column of the gold answer in `queries`; null: found, or none."""
    options_column: str | None = None
    """Column of the choices in `queries`; null: found, or none."""


class Dataset(Asked):
    """Questions to distil on: either an embedded `world` or a file of `queries`."""

    world: World | None = None
    """Make the questions (exclusive with `queries`)."""
    queries: Path | None = None
    """JSONL, JSON or Parquet file with a question column (exclusive with `world`)."""
    id_column: str | None = None
    """Column of the id; "row": row numbers from 0; null: found, or the content's hash."""
    group_column: str | None = None
    """Rows of equal value in it stay on one side of a split; null: every row for itself."""
    validation_fraction: Annotated[Share, Source("App. C.1")] = 0.1
    """Share of the questions held out for validation."""
    test_fraction: Annotated[
        Share, Source("App. C.1: GSM8K has a test set of its own, MMLU-Pro takes 0.15")
    ] = 0.0
    """Share of the questions held out for testing, before those for validation."""
    on_leak: Annotated[Literal["fail", "drop"], Source("ours")] = "fail"
    """A training question that also stands in validation or a benchmark: stop, or drop it."""
    seed: Annotated[int | Literal["row"], Source("ours")] = 0
    """Seed of the split; "row": each row of a study has its own."""

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Dataset:
        if (self.world is None) == (self.queries is None):
            raise ValueError("give exactly one of `world` and `queries`")
        return self


class Benchmark(Asked):
    """Held-out questions: a `split` of a data set, or a file of `queries` with golds."""

    dataset: str | None = None
    """Name in `datasets` (exclusive with `queries`)."""
    split: Annotated[Literal["validation", "test"], Source("ours")] = "test"
    """Which part of `dataset`."""
    queries: Path | None = None
    """JSONL, JSON or Parquet file with a question and an answer column (exclusive with `dataset`)."""
    trained_on: list[str] = []
    """Data sets whose rows are evaluated on it; none: every row's."""
    annotator: Annotated[str, Source("Table 4: AlpacaEval 2")] = "weighted_alpaca_eval_gpt4_turbo"
    """Open-ended tasks: AlpacaEval's annotator, or the YAML file of an own judge."""
    gamed: Path | None = None
    """Open-ended tasks: df_gamed.csv, for the length-controlled win rate without a network;
    null: the package fetches it."""
    note: str = ""
    """Shown in the report: what this benchmark can and cannot show; empty: nothing."""
