"""What is made or read before anything is sampled: blocks of the config, and flags of the steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

Share = Annotated[float, Ge(0), Lt(1)]
Choosers = Literal["golds", "votes"]

USUAL: dict[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "instruction", "query"),
    "answer": ("answer", "gold"),
    "options": ("options", "choices"),
    "id": ("query_id", "question_id", "id"),
    "group": ("group",),
    "kind": (),
}
"""Column names that are recognised, the likeliest first; of the kind of worked examples to show, none."""


@dataclass(frozen=True, kw_only=True)
class World(StepSettings):
    """The embedded world: arithmetic word problems, made per seed."""

    pretraining: Annotated[int, Gt(0), Source("ours: the smallest that teaches the habits")] = 20_000
    """Questions in the pretraining corpus of each role."""
    train: Annotated[int, Gt(0), Source("ours")] = 2_000
    """Queries to distil on."""
    validation: Annotated[int, Gt(0), Source("ours")] = 300
    """Validation questions."""
    test: Annotated[int, Gt(0), Source("ours")] = 1_000
    """Held-out questions."""
    judgements: Annotated[int, Ge(0), Source("ours: none")] = 0
    """Judgements in the teacher's pretraining corpus: solutions of questions of their own, right and wrong,
    and yes or no."""


@dataclass(frozen=True, kw_only=True)
class Columns(StepSettings):
    """Where a file of questions has what."""

    question_column: str | None = None
    """Column of the question in `queries`; null: found by its usual names."""
    answer_column: str | None = None
    """Column of the gold answer in `queries`; null: found, or none."""
    options_column: str | None = None
    """Column of the choices in `queries`; null: found, or none."""


@dataclass(frozen=True, kw_only=True)
class Rows(StepSettings):
    """What a row of a file of questions is called, and which ones belong together."""

    id_column: str | None = None
    """Column of the id; "row": row numbers from 0; "content": the content's hash; null: found, or that."""
    group_column: str | None = None
    """Rows of equal value in it stay on one side of a split; null: found, or every row for itself."""


@dataclass(frozen=True, kw_only=True)
class Shots(StepSettings):
    """Worked examples that a prompt shows before the question."""

    file: Path | None = None
    """JSONL, JSON or Parquet, with the columns of the questions and a worked answer; null: no examples."""
    n: Annotated[int, Gt(0), Source("Figure 4: two")] = 2
    """Examples that a question is shown, the first of the file."""
    group_column: str | None = None
    """Column of both files: a question is shown the examples of its own value; null: the same for all. It has
    no say in the split."""
    answer_column: Annotated[str, Source("as of questions")] = "answer"
    """Column of the worked answer."""


@dataclass(frozen=True, kw_only=True)
class Split(StepSettings):
    """Which questions are held out."""

    validation_fraction: Annotated[Share, Source("App. C.1")] = 0.1
    """Share of the questions held out for validation."""
    test_fraction: Annotated[
        Share, Source("App. C.1: GSM8K has a test set of its own, MMLU-Pro takes 0.15")
    ] = 0.0
    """Share of the questions held out for testing, before those for validation."""
