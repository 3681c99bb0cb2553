"""Flags of the steps that sample a model. Their names and meanings stand here once."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from scripts.lib.engines import Name, Precision, Settings
from scripts.lib.engines.openai.server import Server
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.samples.draws import Shard


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class Run:
    """Which model, and how it is run."""

    model: str
    """Folder or hub id of a causal language model, or its name at the server (openai)."""
    revision: str | None = None
    """Branch, tag or commit of a hub model; resolved to a commit."""
    engine: Name = "transformers"
    """What runs the model."""
    chat: bool = True
    """Put the prompt into the model's chat template."""
    dtype: Precision = "float32"
    """Precision of the weights; auto: as saved."""
    batch_size: int = 256
    """Completions generated side by side."""
    tensor_parallel_size: int = 1
    """GPUs (vllm)."""
    gpu_memory_utilization: float = 0.9
    """Share of a GPU's memory to take (vllm)."""
    max_model_len: int | None = None
    """Longest prompt and completion together (vllm); default: what the requests need."""

    def settings(self, prompt: Path, server: Server, max_tokens: int, **shape) -> Settings:
        """The engine's settings, of a prompt template's file and what shapes the distribution."""
        return Settings(
            PromptTemplate(prompt, self.chat),
            max_tokens,
            dtype=self.dtype,
            batch_size=self.batch_size,
            tensor_parallel_size=self.tensor_parallel_size,
            gpu_memory_utilization=self.gpu_memory_utilization,
            max_model_len=self.max_model_len,
            server=server,
            **shape,
        )


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class Place:
    """Where completions go, of the whole step or of one of its shards.

    The ledger tells of the requested completions, and of the distinct ones (at temperature 0 a query has one) those reused
    and those sampled now, with the tokens of the latter; total_* tokens are of all of them.
    """

    ledger: Path
    """What it cost, as JSON: completions, tokens, seconds; of a server also requests, retries, failures by kind, dollars."""
    output: Path | None = None
    """The completions (SAMPLES); none with --shard."""
    shard: str | None = None
    """Only fill the store with one part of the completions: 0-of-3, 1-of-3 or 2-of-3."""
    shards: tuple[Path, ...] = ()
    """Ledgers of the finished shards: generate nothing, put the completions together; the ledger adds them up."""
    store: Path = Path("store")
    """The sample store."""

    def part(self, engine: Name) -> Shard | None:
        """The shard that `--shard` names. Raises UserError when it does not go with the other flags."""
        if (self.shard is None) == (self.output is None):
            raise UserError("give --output, or --shard for one part of the step, not both")
        if self.shard and engine == "openai":
            raise UserError(
                "--shard would give each job a budget of its own; ask a server with more --server.concurrency"
            )
        return Shard.read(self.shard) if self.shard else None
