"""What samples a model: one small interface, and the choice between its implementations.

An engine renders questions, and yields completions as they are finished; it knows nothing of the store. `open_engine` is
cheap (a tokenizer at most): weights are loaded, or servers asked, when the first completion is generated.
"""

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from scripts.lib.engines.openai.bill import Bill
from scripts.lib.engines.openai.server import Server
from scripts.lib.models.prompts import PromptTemplate

Name = Literal["transformers", "vllm", "openai"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Settings:
    """How a model is sampled and run. `top_p`, `max_tokens` and `stop` shape the distribution; the rest is about speed."""

    template: PromptTemplate
    max_tokens: int
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    dtype: Precision = "float32"
    batch_size: int = 256
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    max_model_len: int | None = None
    server: Server = Server()


@dataclass(frozen=True)
class Prompt:
    """A rendered question. `form` is "text", "chat", or "messages" (JSON: a server's template is applied to them).

    `ids` are its tokens, empty where only a server knows them.
    """

    form: str
    text: str
    ids: tuple[int, ...] = ()


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
    """What came back. `finish_reason`: stop, length or content_filter; `num_tokens` counts the end token.

    `prompt_tokens` are those paid for: of several completions of one request to a server, the first has them all.
    """

    text: str
    finish_reason: str
    num_tokens: int
    prompt_tokens: int


Finished = list[tuple[Request, Completion]]


class Engine(Protocol):
    """An engine for one model."""

    identity: str
    """The model by content, for the store's key (models.identity, or server and name)."""
    dtype: str | None
    """The precision the model runs in, None where only a server knows it."""
    versions: dict[str, str]
    """The libraries behind it, for the ledger; of a server, the models that answered."""
    bill: Bill | None
    """What a server's answers cost so far; None where nobody sends one."""
    unit: int
    """Requests that a shard takes together: where a row's rounding depends on its company, whole companies."""

    def render(self, question: str, options: Sequence[str]) -> Prompt:
        """The prompt of a question."""

    def generate(
        self, requests: Sequence[Request], missing: Sequence[bool]
    ) -> Generator[Finished, None, None]:
        """Generate the missing ones of `requests` and yield them as they finish.

        Each yielded list is stored whole. An engine whose rounding depends on the company of a row cuts all `requests`
        (sorted, the stored ones too) into units that a killed run and its resumption share.
        """


def seed_of(seed: int, key: str, temperature: float, index: int) -> int:
    """A seed of 63 bits that belongs to one completion."""
    text = f"{seed}\0{key}\0{temperature!r}\0{index}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def open_engine(name: Name, model: str, revision: str | None, settings: Settings) -> Engine:
    """The engine `name` for a model folder, hub id or (openai) a server's name. Raises UserError when the model cannot be identified."""
    if name == "vllm":
        from scripts.lib.engines.vllm import Vllm

        return Vllm(model, revision, settings)
    if name == "openai":
        from scripts.lib.engines.openai.engine import OpenAI

        return OpenAI(model, revision, settings)
    from scripts.lib.engines.transformers import Transformers

    return Transformers(model, revision, settings)
