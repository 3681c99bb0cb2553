"""What a job holds on each of its GPUs, from the config alone, and how much it can take at a time.

Counted from the code: what is trained is float32 with gradients and Adam's moments, one network at a time
has activations, and what autograd keeps of a decoder layer is written below.
`tests/lib/workflow/test_memory.py` holds the estimate to what trainings of small models hold on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAINED = 16
"""Bytes per parameter of a trained network: float32 weights, gradients and Adam's two moments. The buckets of
DDP are the gradients (`gradient_as_bucket_view`)."""
CONTEXT = 1.5e9
"""Bytes of CUDA's context, cuBLAS's workspaces and NCCL's channels."""
USABLE = 0.95
"""Share of a GPU's memory that can be filled: the rest is lost between blocks."""
GRAPHS = 2e9
"""Bytes of vLLM's CUDA graphs and of the pass in which it measures itself."""
LOGITS = 1 << 26
"""PPO makes so many at a time (`MAX_LOGITS` of ppo/model.py)."""
TILE = 1 << 27
"""TRL's trainers tile the head: 4,096 tokens by 32,768 words."""
PPO_LOGIT, TRL_LOGIT = 14, 2
"""Bytes of a logit: PPO's in float32 at the temperature, its softmax, two gradients, one in bfloat16;
TRL's kernel works in place, in bfloat16."""


@dataclass(frozen=True)
class Shape:
    """A decoder as its config.json says: layers; widths of the stream, of queries, of keys, of the MLP;
    vocabulary; parameters."""

    layers: int
    width: int
    queries: int
    keys: int
    inner: int
    vocabulary: int
    parameters: float

    def layer(self, half: bool) -> float:
        """Bytes that autograd keeps of a decoder layer for each token, in float32 or under bfloat16 autocast.

        Both norms keep the stream and what they make of it in float32, every matrix its input (under autocast
        a bfloat16 copy each), attention what it rotated, the MLP four vectors.
        """
        stream, heads, inner = (26, 4, 8) if half else (24, 8, 16)
        return stream * self.width + heads * (self.queries + self.keys) + inner * self.inner

    def activations(self, half: bool, checkpointing: bool) -> float:
        """Bytes for each token of a pass: of all layers; with checkpointing the stream before each, and one
        layer. The layer under work holds as much again."""
        kept = self.layers * (4 * self.width if checkpointing else self.layer(half))
        return kept + self.layer(half) + 16 * self.width

    def gathered(self) -> float:
        """Bytes that FSDP2 puts together for a while: two layers and the embedding, bfloat16 weights and
        float32 gradients."""
        embedding = self.vocabulary * self.width
        return 6 * (2 * (self.parameters - embedding) / self.layers + embedding)


PUBLISHED = {
    1.24: (16, 2048, 2048, 512, 8192),
    3.21: (28, 3072, 3072, 1024, 8192),
    8.03: (32, 4096, 4096, 1024, 14336),
    70.6: (80, 8192, 8192, 1024, 28672),
}
"""Shapes of Llama 3 by parameters in 1e9; its vocabulary has 128,256 tokens."""


def shape_of(billions: float) -> Shape:
    """The shape that a model of so many parameters in 1e9 is taken to have: that of the next larger Llama 3,
    or of the largest."""
    size = min((size for size in PUBLISHED if size >= 0.95 * billions), default=max(PUBLISHED))
    return Shape(*PUBLISHED[size], 128_256, billions * 1e9)


@dataclass(frozen=True)
class Memory:
    """Bytes on each GPU of a job: of those at most `limit`, what it always holds, by part, and for each token
    of a pass; tokens that a pass has by the settings, and the fewest that it can have."""

    limit: float
    held: dict[str, float]
    token: float
    wanted: float
    least: float

    @property
    def affords(self) -> float:
        """Tokens of a pass that there is room for."""
        return max(0.0, self.limit - sum(self.held.values())) / self.token

    @property
    def fits(self) -> bool:
        """Whether a pass of the fewest tokens has room."""
        return self.affords >= self.least

    @property
    def total(self) -> float:
        """Bytes at the peak, of a pass cut to what there is room for."""
        tokens = max(self.least, min(self.wanted, self.affords))
        return sum(self.held.values()) + self.token * tokens

    def said(self) -> str:
        """The parts in GB, the largest first."""
        parts = self.held | {"activations": self.token * self.least}
        shown = sorted(((size, name) for name, size in parts.items() if size >= 5e7), reverse=True)
        return ", ".join(f"{name} {size / 1e9:.0f}" for size, name in shown)


def training(
    shape: Shape,
    memory: float,
    *,
    networks: int,
    frozen: float,
    half: bool,
    checkpointing: bool,
    wanted: float,
    least: float,
    head: float = 0,
    shards: int = 1,
    engine: float = 0,
    context: float = CONTEXT,
) -> Memory:
    """A training of so many networks on a GPU of `memory` bytes, beside `frozen` bytes of others and an
    engine's; `head`: bytes of logits. One process keeps one of `shards` of each network."""
    copies = 2 * shape.parameters if half else 0
    held = {
        "weights, gradients and Adam": networks * TRAINED * shape.parameters / shards,
        "weights for a pass": shape.gathered() if shards > 1 else copies,
        "frozen networks": frozen,
        "vLLM": engine,
        "logits": head,
        "CUDA": context,
    }
    token = shape.activations(half, checkpointing)
    return Memory(USABLE * memory, held, token, wanted, least)


def scoring(billions: float, memory: float, longest: float) -> Memory:
    """A reward model in float32 that scores batches of answers (`tokens_per_batch`)."""
    layer = shape_of(billions).layer(half=False)
    return Memory(USABLE * memory, {"weights": 4e9 * billions, "CUDA": CONTEXT}, layer, 16_384, longest)


def sampling(
    weights: float, cache: float, limit: float, *, ranks: int, completions: float, longest: float
) -> Memory:
    """A sampler: `weights` bytes of them, and `cache` bytes for each token of the completions side by side,
    over so many GPUs; at least one completion must fit."""
    held = {"weights": weights / ranks, "CUDA graphs": GRAPHS}
    return Memory(limit, held, cache / ranks, completions * longest, longest)
