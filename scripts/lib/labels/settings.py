"""How a teacher's samples become labels and scores: blocks of the config, and flags of the steps."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

Voters = Literal["last_round", "all_rounds"]


@dataclass(frozen=True, kw_only=True)
class Vote(StepSettings):
    """How samples become a pseudo-label (Eq. 1)."""

    m: Annotated[int, Gt(0), Source("App. C")] = 10
    """Voters per query, spread over the temperatures; a missing sample counts as an abstention."""
    threshold: Annotated[float, Gt(0), Le(1), Source("App. C")] = 0.7
    """sh: smallest share of the m votes that gives a label."""
    voters: Annotated[Voters, Source("silent")] = "last_round"
    """Which samples may vote: those of a query's last round, or all."""


@dataclass(frozen=True, kw_only=True)
class Judging(StepSettings):
    """How responses are judged (Figure 6)."""

    n: Annotated[int, Gt(0), Source("silent")] = 1
    """Judgements per response."""
    temperature: Annotated[float, Ge(0), Source("silent")] = 0.0
    """Of the judgements; those asked again are drawn at 0.7 or above."""
    max_tokens: Annotated[int, Gt(0), Source("silent")] = 256
    """Longest judgement, in tokens."""
    retries: Annotated[int, Ge(0), Source("silent")] = 2
    """Times a response without a readable score is judged again."""
