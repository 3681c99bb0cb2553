"""What samples a model: one small interface, how a model is run, and what an engine is asked and answers.

An engine renders questions, and yields completions as they are finished; it knows nothing of the store. To
open one, and to render a question, is cheap: tokens are made, weights loaded, or servers asked, when there is
something to generate.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
from annotated_types import Gt, Le

from scripts.lib.engines.openai.bill import Bill
from scripts.lib.engines.openai.server import Server
from scripts.lib.models.prompting import Prompting
from scripts.lib.models.prompts import PromptTemplate, Shot
from scripts.lib.models.truncation import Truncation
from scripts.lib.settings.source import Source


@dataclass(frozen=True, kw_only=True)
class Run(Prompting):
    """How a model is run."""

    CUT: ClassVar[tuple[str, ...]] = (
        "batch_size",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "nodes",
        "gpu_memory_utilization",
        "max_model_len",
    )
    """Keys that say how the work is cut: no part of a result."""

    engine: Annotated[str, Source("silent: ours, for speed")] = "vllm"
    """What samples the model: a name in scripts/lib/engines/registry.py."""
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], Source("silent: as the models are published")
    ] = "bfloat16"
    """Precision of the weights; auto: as saved."""
    batch_size: Annotated[int, Gt(0), Source("ours")] = 256
    """Completions generated side by side, which a kill loses on the transformers engine."""
    tensor_parallel_size: Annotated[int | None, Gt(0), Source("ours")] = None
    """GPUs that share each layer (vLLM); null: in a config as many as the model's size needs, of one node,
    else one."""
    pipeline_parallel_size: Annotated[int | None, Gt(0), Source("ours")] = None
    """Groups of such GPUs, each with a share of the layers (vLLM); null: in a config as many nodes as the
    model's size needs, else one."""
    nodes: Annotated[int | None, Gt(0), Source("ours")] = None
    """Nodes of a SLURM job that the GPUs lie on (vLLM), evenly; null: in a config as many as `gpus_per_node`
    makes of them, else one."""
    gpu_memory_utilization: Annotated[float, Gt(0), Le(1), Source("vLLM's default")] = 0.9
    """Share of a GPU's memory that vLLM takes."""
    max_model_len: Annotated[int | None, Gt(0), Source("ours")] = None
    """Tokens of the longest prompt and completion together (vLLM); null: what is asked for needs."""


@dataclass(frozen=True)
class Settings:
    """What an engine is opened with. `truncation`, `max_tokens` and the template's stop strings shape the
    distribution."""

    template: PromptTemplate
    max_tokens: int
    truncation: Truncation = Truncation()
    run: Run = Run()
    server: Server = Server()
    verdicts: tuple[str, ...] = ()
    """Words of which one, a token, is the whole completion. Where the engine knows how likely each is, its
    text is that (`weighed`)."""


@dataclass(frozen=True)
class Prompt:
    """A rendered question. `form` is "text", "chat", or "messages" (JSON:
    a server's template is applied to them). `tokenize` makes its tokens.
    """

    form: str
    text: str
    tokenize: Callable[[], Sequence[int]] = field(default=tuple, compare=False, repr=False)
    query_id: str = ""
    """Of a query that it asks, for the log."""

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Its tokens, empty where only a server knows them."""
        return tuple(self.tokenize())


@dataclass(frozen=True)
class Request:
    """One completion to generate: sample `index` of a prompt (`key` in the store) at a temperature."""

    key: str
    prompt: Prompt
    temperature: float
    index: int
    seed: int


@dataclass(frozen=True)
class Completion:
    """What came back. `finish_reason`: as in SAMPLES.

    `text` is the reply, `reasoning` what the model thought before it, None where it shows no thought.
    `num_tokens` counts both, and the end token; of them `reasoning_tokens` are the thought's, None where
    nobody counts these. `prompt_tokens` are those paid for: of several completions of one request to a
    server, the first has them all. `saved_tokens`: those that a stop string left unwritten, at most, up to
    max_tokens.
    """

    text: str
    finish_reason: str
    num_tokens: int
    prompt_tokens: int
    reasoning: str | None = None
    reasoning_tokens: int | None = None
    saved_tokens: int = 0


Finished = list[tuple[Request, Completion]]


class Engine(Protocol):
    """An engine for one model, made from its folder, hub id or name at a server, a revision, and the
    settings.

    Raises UserError when the model cannot be identified, or run so.
    """

    remote: ClassVar[bool]
    """Whether a server runs the model: no GPU or weights here, no revision, no training, and one job per
    step."""
    reserves: ClassVar[bool]
    """Whether it takes `gpu_memory_utilization` of a GPU at its start, whatever it then needs."""

    @property
    def identity(self) -> str:
        """The model by content, for the store's key (models.identity, or server and name)."""

    @property
    def dtype(self) -> str | None:
        """The precision the model runs in, None where only a server knows it."""

    @property
    def versions(self) -> dict[str, str]:
        """The libraries behind it, for the ledger; of a server, the models that answered."""

    @property
    def bill(self) -> Bill | None:
        """What a server's answers cost so far; None where nobody sends one."""

    @property
    def unit(self) -> int:
        """Requests that a shard takes together: where a row's rounding depends on its company,
        whole companies."""

    def __init__(self, model: str, revision: str | None, settings: Settings): ...

    def render(self, question: str, options: Sequence[str], shots: Sequence[Shot] = ()) -> Prompt:
        """The prompt of a question."""

    def generate(self, requests: Sequence[Request], missing: np.ndarray) -> Generator[Finished, None, None]:
        """Generate the missing ones (bool [requests]) of `requests` and yield them as they finish.

        `requests` are sorted, the longest prompt last, and made as they are taken. Each yielded list is
        stored whole, at the latest when another one comes: one that costs money is soon followed, if by an
        empty one. An engine whose rounding depends on the company of a row cuts all of them (the stored
        ones too) into units that a killed run and its resumption share.
        """


def seed_of(seed: int, key: str, temperature: float, index: int) -> int:
    """A seed of 63 bits that belongs to one completion."""
    text = f"{seed}\0{key}\0{temperature!r}\0{index}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
