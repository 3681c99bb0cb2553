"""Questions: what is fetched, made or read, to distil on and to be measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from annotated_types import MinLen
from pydantic import AfterValidator, PositiveInt

from scripts.lib.config.block import Block, Commit, HubId, Name, Task
from scripts.lib.data.peek import first_columns
from scripts.lib.data.settings import USUAL, Choosers, Columns, Rows, Shots, Split, World
from scripts.lib.errors import UserError, shown
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import Seed
from scripts.lib.tasks import is_judged


def _stop_string(text: str) -> str:
    if text.startswith("-"):
        raise ValueError(f"{shown(text)} would be taken for a flag; begin it with a line break or a blank")
    return text


StopString = Annotated[str, MinLen(1), AfterValidator(_stop_string)]


class Download(Block):
    """A file of the hub, fetched by `make prefetch` or on first use into `data/`, under the name of the
    block."""

    repo: HubId
    """Data set on the hub."""
    revision: Commit
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


@dataclass(frozen=True, kw_only=True)
class Asked(Columns):
    """How a question is put, and how its answer is read."""

    task: Task
    """How answers are read and compared."""
    prompt: Name
    """Template in config/prompts, without .jinja."""
    max_tokens: Annotated[PositiveInt, Source("App. C.2, GSM8K")] = 512
    """Longest completion, in tokens."""
    stop: Annotated[tuple[StopString, ...] | None, Source("ours")] = None
    """Strings that end a completion, which is cut before them; null: those of the template, []: none."""
    shots: Annotated[Shots, Source("Figure 4")] = Shots()
    """Worked examples for the template; of a benchmark that is a split, those of its data set."""


@dataclass(frozen=True, kw_only=True)
class Dataset(Asked, Rows, Split):
    """Questions to distil on: either an embedded `world` or a file of `queries`."""

    world: World | None = None
    """Make the questions (exclusive with `queries`)."""
    queries: Path | None = None
    """JSONL, JSON or Parquet file with a question column (exclusive with `world`)."""
    on_leak: Annotated[Literal["fail", "drop"], Source("ours")] = "fail"
    """A training question that also stands in validation or a benchmark: stop, or drop it."""
    chosen_by: Annotated[Choosers | None, Source("silent: App. C.1 holds 10 % out for it")] = None
    """What chooses checkpoints on the validation questions: their golds, or the teacher's votes on them;
    null: golds where `queries` has a column of answers or comes from the hub, else votes."""
    seed: Annotated[Seed | Literal["row"], Source("ours")] = 0
    """Seed of the split; "row": each row of a study has its own."""

    @property
    def answered(self) -> bool:
        """Whether its questions come with answers, as far as the file is here."""
        columns = None if self.queries is None else first_columns(self.queries)
        wanted = [self.answer_column] if self.answer_column else USUAL["answer"]
        return columns is None or any(name in columns for name in wanted)

    def agree(self) -> None:
        """Raise UserError unless the questions are made or read, and for what such questions cannot have."""
        if (self.world is None) == (self.queries is None):
            raise UserError("give exactly one of `world` and `queries`")
        if self.world is not None and self.shots.file is not None:
            raise UserError("an embedded world has no shots; drop them")
        if self.chosen_by and is_judged(self.task):
            raise UserError(
                f"chosen_by is for answers that can be compared; drop it, task {self.task} has none"
            )


@dataclass(frozen=True, kw_only=True)
class Benchmark(Asked):
    """Held-out questions: a `split` of a data set, or a file of `queries` with golds."""

    dataset: str | None = None
    """Name in `datasets` (exclusive with `queries`)."""
    split: Annotated[Literal["validation", "test"], Source("ours")] = "test"
    """Which part of `dataset`."""
    queries: Path | None = None
    """JSONL, JSON or Parquet file with a question and an answer column (exclusive with `dataset`)."""
    trained_on: tuple[str, ...] = ()
    """Data sets whose rows are evaluated on it; none: every row's."""
    annotator: Annotated[str, Source("Table 4: AlpacaEval 2")] = "weighted_alpaca_eval_gpt4_turbo"
    """Open-ended tasks: AlpacaEval's annotator, or the YAML file of an own judge."""
    gamed: Path | None = None
    """Open-ended tasks: df_gamed.csv, for the length-controlled win rate without a network;
    null: the package fetches it."""
    note: str = ""
    """Shown in the report: what this benchmark can and cannot show; empty: nothing."""

    def agree(self) -> None:
        """Raise UserError for shots of a split, whose questions bring their data set's."""
        if self.dataset is not None and self.shots.file is not None:
            raise UserError(
                f"a split is shown the shots of its data set; give them in datasets.{self.dataset}"
            )
