"""Which tokens a draw is made from: settings of sampling, in vLLM's words and order."""

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings, changed


@dataclass(frozen=True, kw_only=True)
class Truncation(StepSettings):
    """The tail of a token's distribution that is never drawn: `min_p` cuts first, then `top_k`, then `top_p`,
    each what the one before has left."""

    top_p: Annotated[float, Gt(0), Le(1), Source("silent: every token")] = 1.0
    """Share of the probability that tokens are drawn from, the likeliest first; 1: all of it."""
    top_k: Annotated[int, Ge(0), Source("silent: every token")] = 0
    """Draw from so many tokens, the likeliest; 0: from all."""
    min_p: Annotated[float, Ge(0), Le(1), Source("silent: every token")] = 0.0
    """Leave out tokens under this share of the likeliest one's probability; 0: none."""

    def changed(self) -> dict[str, Any]:
        """What cuts anything, by name."""
        return changed(self, Truncation)
