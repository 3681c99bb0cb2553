"""How a model is sampled: block of the config, and flags of the step that samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt, MinLen

from scripts.lib.errors import UserError, shown
from scripts.lib.models.truncation import Truncation
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

ROUND = 1_000_000
"""Sample indices of round r start at (r - 1) * ROUND: rounds are draws of their own, also where temperatures
repeat."""
Temperature = Annotated[float, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Sampling(Truncation):
    """Completions of every query: n at each temperature."""

    temperatures: Annotated[tuple[Temperature, ...], MinLen(1), Source("App. C")] = (0.0, 0.1, 0.2, 0.3)
    """Each another draw, all different; 0 is greedy: one completion, whatever n."""
    n: Annotated[int, Gt(0), Lt(ROUND), Source("App. C")] = 5
    """Completions per query and temperature above 0."""

    def agree(self) -> None:
        """Raise UserError for temperatures that repeat or are negative."""
        heats = self.temperatures
        if not heats or min(heats) < 0 or len(set(heats)) < len(heats):
            raise UserError(
                f"temperatures {list(heats)} must be one or more, distinct and not negative; "
                "raise n for more samples"
            )

    @property
    def samples(self) -> int:
        """Completions per query: each may vote."""
        return sum(1 if heat == 0 else self.n for heat in self.temperatures)


@dataclass(frozen=True, kw_only=True)
class StudentSampling(Sampling):
    """Completions of the warm student, for the reward model (Eq. 4)."""

    temperatures: Annotated[tuple[Temperature, ...], MinLen(1), Source("section 4.3")] = (0.7,)
    """Each another draw, all different."""
    n: Annotated[int, Gt(0), Lt(ROUND), Source("App. C")] = 30
    """Completions per query and temperature above 0."""


@dataclass(frozen=True, kw_only=True)
class RepeatedSampling(Sampling):
    """Completions of a benchmark's question, of which one answer is taken (majority, best-of-n)."""

    temperatures: Annotated[tuple[Temperature, ...], MinLen(1), Source("self-consistency, 2203.11171")] = (
        0.7,
    )
    """Each another draw, all different."""
    n: Annotated[int, Gt(0), Le(256), Source("ours")] = 16
    """Completions per question and temperature above 0."""


@dataclass(frozen=True, kw_only=True)
class SecondRound(Sampling):
    """The second round, for queries of low agreement (App. C)."""

    temperatures: Annotated[tuple[Temperature, ...], MinLen(1), Source("App. C")] = tuple(
        round(0.1 * step, 1) for step in range(1, 11)
    )
    """Each another draw, all different."""
    below: Annotated[float, Gt(0), Le(1), Source("App. C")] = 0.7
    """Ask again when the first round's vote share is under this."""


@dataclass(frozen=True, kw_only=True)
class Import(StepSettings):
    """Completions that already exist, as the samples of a teacher or a student."""

    path: Path
    """JSONL (may be gzipped) or Parquet."""
    model: str
    """The model that wrote them."""
    temperature: Annotated[float, Ge(0)]
    """At which they were sampled."""
    id_column: Annotated[str, Source("ours")] = "query_id"
    """Column of the query's id; "question": the questions themselves."""
    completion_column: Annotated[str, Source("ours")] = "completion"
    """Column of the text, or of a list of texts."""

    def agree(self) -> None:
        """Raise UserError for what stands as a value beside those of other files and looks like a flag."""
        for name in ("model", "id_column", "completion_column"):
            if getattr(self, name).startswith("-"):
                raise UserError(f"{name} is {shown(getattr(self, name))}; it must not begin with a dash")
