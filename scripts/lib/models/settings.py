"""Models that are made here: blocks of the config, and flags of the steps that make them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

PositiveInt = Annotated[int, Gt(0)]


@dataclass(frozen=True, kw_only=True)
class Shapes(StepSettings):
    """The shapes of a Llama that is made here."""

    hidden_size: PositiveInt
    """Width; over num_attention_heads it gives the heads' dimension."""
    num_hidden_layers: PositiveInt
    """Depth."""
    num_attention_heads: PositiveInt
    """Heads per layer; as many for keys and values."""
    intermediate_size: PositiveInt
    """Width of the feed-forward part."""


@dataclass(frozen=True, kw_only=True)
class FromScratch(Shapes):
    """A model trained from scratch on an embedded world's corpus."""

    role: Literal["teacher", "student"]
    """Whose habits the corpus shows."""
    max_steps: PositiveInt
    """Updates."""
    batch_size: Annotated[PositiveInt, Source("ours")] = 64
    """Texts per update."""
    learning_rate: Annotated[float, Gt(0)]
    """Of AdamW, for embeddings, head and norms, at its height; Muon's is five times it."""

    def agree(self) -> None:
        """Raise UserError for heads that vLLM on a CPU does not take."""
        if self.hidden_size % self.num_attention_heads or self.hidden_size // self.num_attention_heads % 16:
            raise UserError(
                f"hidden_size {self.hidden_size} over num_attention_heads {self.num_attention_heads} must be "
                "a multiple of 16; choose heads of 32 or 48"
            )


@dataclass(frozen=True, kw_only=True)
class Untrained(Shapes):
    """A byte-level Llama with random weights: a base for reward models on any text."""

    max_position_embeddings: Annotated[PositiveInt, Source("ours")] = 2048
    """Longest sequence, in bytes."""
