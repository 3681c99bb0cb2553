"""Questions: what is fetched, made or read, to distil on and to be measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic
from pydantic import Field, PositiveInt

from scripts.lib.config.block import Block, Share, Task


class Download(Block):
    """A file of the hub, fetched by `make prefetch` or on first use into `data/`,
    under the name of the block."""

    repo: str = Field(description="data set on the hub")
    revision: str = Field(description="full commit hash")
    name: str | None = Field(None, description="configuration of the data set")
    split: str | None = Field(None, description="split, as a Parquet file (exclusive with `file`)")
    file: str | None = Field(None, description="a file of the repository, as it is")
    columns: list[str] = Field([], description="columns to keep of a split; none: all")
    rows: PositiveInt | None = Field(
        None, description="keep so many rows of a split, those of the smallest hash; null: all"
    )

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Download:
        if (self.split is None) == (self.file is None):
            raise ValueError("give exactly one of `split` and `file`")
        return self


class World(Block):
    """The embedded world: arithmetic word problems, made per seed (reference: the README's section on it)."""

    pretraining: PositiveInt = Field(20_000, description="questions in the pretraining corpus of each role")
    train: PositiveInt = Field(2_000, description="queries to distil on")
    validation: PositiveInt = Field(300, description="validation questions")
    test: PositiveInt = Field(1_000, description="held-out questions")


class Dataset(Block):
    """Questions to distil on: either an embedded `world` or a file of `queries`."""

    world: World | None = Field(None, description="make the questions (exclusive with `queries`)")
    queries: Path | None = Field(None, description="JSONL, JSON or Parquet file with a question column")
    question_column: str | None = Field(
        None, description="column of the question; null: found by its usual names"
    )
    answer_column: str | None = Field(None, description="column of the gold answer; null: found, or none")
    options_column: str | None = Field(None, description="column of the choices; null: found, or none")
    id_column: str | None = Field(
        None, description='column of the id; "row": row numbers from 0; null: found, or the content\'s hash'
    )
    group_column: str | None = Field(None, description="rows of one group stay on one side of a split")
    validation_fraction: Share = Field(
        0.1, description="share of the questions held out for validation (App. C.1)"
    )
    test_fraction: Share = Field(
        0.0, description="share of the questions held out for testing (App. C.1, MMLU-Pro)"
    )
    on_leak: Literal["fail", "drop"] = Field(
        "fail",
        description="a training question that also stands in validation or a benchmark: stop, or drop it",
    )
    task: Task = Field(description="how answers are read and compared")
    prompt: str = Field(description="template in config/prompts, without .jinja")
    max_tokens: PositiveInt = Field(512, description="longest completion, in tokens (App. C.2)")
    stop: list[str] = Field([], description="strings that end a completion, which is cut before them")
    seed: int | Literal["row"] = Field(
        0, description='seed of the split; "row": each row of a study has its own'
    )

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Dataset:
        if (self.world is None) == (self.queries is None):
            raise ValueError("give exactly one of `world` and `queries`")
        return self


class Benchmark(Block):
    """Held-out questions: a `split` of a data set, or a file of `queries` with golds."""

    dataset: str | None = None
    split: Literal["validation", "test"] = "test"
    queries: Path | None = None
    question_column: str | None = None
    answer_column: str | None = None
    options_column: str | None = None
    task: Task = Field(description="how answers are read and compared")
    prompt: str = Field(description="template in config/prompts, without .jinja")
    max_tokens: PositiveInt = Field(512, description="longest completion, in tokens (App. C.2)")
    stop: list[str] = Field([], description="strings that end a completion, which is cut before them")
    trained_on: list[str] = Field(
        [], description="data sets whose rows are evaluated on it; none: every row's"
    )
    annotator: str = Field(
        "weighted_alpaca_eval_gpt4_turbo",
        description="task open: AlpacaEval's annotator, or the YAML file of an own judge",
    )
    gamed: Path | None = Field(
        None, description="task open: df_gamed.csv, for the length-controlled win rate without a network"
    )
    note: str = Field("", description="shown in the report: what this benchmark can and cannot show")
