"""What PPO is asked, in training and in validation. No torch here."""

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Questions:
    """Rendered prompts; `targets`: pseudo-labels y* in training (None: the query has none), canonical golds
    in validation.

    `demonstrations`: the teacher's answers to each, as a reward model reads them, where one goes on learning.
    `queries`: what they are prompts of (QUERIES), where a judge has to be shown it.
    """

    prompts: list[list[int]]
    options: list[list[str]]
    targets: list[str | None]
    demonstrations: list[list[list[int]]] = field(default_factory=list, kw_only=True)
    queries: pl.DataFrame = field(default_factory=pl.DataFrame, kw_only=True, compare=False)


@dataclass(frozen=True)
class Exam(Questions):
    """Validation: a row for each answer that is wanted, drawn at its temperature (0: greedy) by its seed.

    `metric`: what the share of right ones is (`validation.metric_of`); `n`: the questions behind them.
    """

    temperatures: list[float]
    seeds: list[int]
    metric: str
    n: int
