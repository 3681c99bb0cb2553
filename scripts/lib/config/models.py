"""Teachers and students: where a model comes from, how it is run, sampled, and how it judges."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from scripts.lib.config.block import Block, Engine, Share


class Pretraining(Block):
    """A model trained from scratch on an embedded world's corpus."""

    role: Literal["teacher", "student"] = Field(description="whose habits the corpus shows")
    dataset: str = Field(description="the world")
    hidden_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    intermediate_size: PositiveInt
    max_steps: PositiveInt
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat


class Untrained(Block):
    """A byte-level Llama with random weights: a base for reward models on any text."""

    hidden_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    intermediate_size: PositiveInt
    max_position_embeddings: PositiveInt = Field(2048, description="longest sequence, in bytes")


class Model(Block):
    """Where a model comes from: `pretrained` here, or `model` on the hub or on disk."""

    pretrained: str | None = Field(None, description="name in `models`: made here")
    model: str | None = Field(None, description="hub id or folder")
    revision: str | None = Field(None, description="hub revision; pin it")
    chat: bool = Field(True, description="render prompts with the model's chat template")
    engine: Engine = Field("vllm", description="what samples the model")
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    tensor_parallel_size: PositiveInt | None = Field(
        None, description="GPUs that share the model's weights; null: as many as its size needs"
    )
    batch_size: PositiveInt = Field(256, description="completions generated side by side")
    billions: PositiveFloat | None = Field(
        None, description="parameters in 1e9; null: read from the model's weights or config.json"
    )
    gpus: NonNegativeInt | None = Field(
        None,
        description="GPUs of a job that runs it; null: tensor_parallel_size, none under 50 million parameters",
    )
    shards: PositiveInt | None = Field(
        None,
        description="jobs that each of its sampling and judging steps is split into; null: one, or by `shard_minutes`",
    )
    shard_minutes: PositiveFloat | None = Field(
        None,
        description="as many shards as keep each within so many minutes, by the plan's hours at most (exclusive with `shards`)",
    )


class Import(Block):
    """Completions that already exist, as the samples of a teacher or a student."""

    path: Path = Field(description="JSONL (may be gzipped) or Parquet")
    model: str = Field(description="the model that wrote them")
    temperature: NonNegativeFloat = Field(description="at which they were sampled")
    id_column: str = "query_id"
    completion_column: str = "completion"


class Round(Block):
    """One round of teacher sampling: n completions a query at each temperature."""

    temperatures: list[NonNegativeFloat] = Field(min_length=1)
    n: PositiveInt = 5


class Again(Round):
    """The second round, for queries of low agreement (App. C)."""

    below: Share = Field(0.7, description="ask again when the first round's vote share is under this")


class Judge(Block):
    """How a teacher scores responses from 0 to 5 (Figure 6): open-ended data sets, and Table 5."""

    prompt: str = Field("judge", description="template in config/prompts, without .jinja")
    n: PositiveInt = Field(1, description="judgements a response")
    temperature: NonNegativeFloat = 0.0
    max_tokens: PositiveInt = Field(256, description="longest judgement")
    retries: NonNegativeInt = Field(
        2, description="times a response without a readable score is judged again"
    )
    combine: Literal["mean", "vote"] = Field("mean", description="how several scores become one")


class Server(Block):
    """An OpenAI-compatible server. Its key is read from the environment, and stands nowhere else."""

    base_url: str = Field(description="up to and with /v1, such as https://api.openai.com/v1")
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="name of the environment variable with the key; unset: none is sent"
    )
    identity: str | None = Field(
        None,
        description="name under which servers of one and the same model share their samples; null: base_url and model",
    )
    concurrency: int = Field(16, description="requests under way at a time")
    requests_per_minute: float | None = Field(None, description="evenly spaced; null: no limit")
    tokens_per_minute: float | None = Field(None, description="of prompts and completions; null: no limit")
    n_per_request: int = Field(
        5, description="completions asked for in one request; a server that knows no n is found out"
    )
    timeout: float = Field(300, description="seconds until a request without a whole reply is sent again")
    retries: int = Field(8, description="times a request is sent again")
    backoff: float = Field(
        1, description="seconds before the first retry, doubled up to 60; Retry-After comes first"
    )
    price_prompt: float = Field(0, description="dollars per million prompt tokens")
    price_completion: float = Field(0, description="dollars per million completion tokens")
    max_dollars: float | None = Field(
        None,
        description="the most a sampling job's completions may cost, over all its runs; then it stops; null: no limit",
    )
    max_total_tokens: int | None = Field(
        None, description="the same in tokens of prompts and completions; null: no limit"
    )


class Vote(Block):
    """How samples become a pseudo-label (Eq. 1)."""

    m: PositiveInt = Field(10, description="voters a query")
    threshold: Share = Field(0.7, description="sh: smallest share that gives a label")
    voters: Literal["last_round", "all_rounds"] = Field("last_round", description="which samples may vote")


class Teacher(Model):
    """A model with its sampling and its judgement."""

    base: Round = Field(Round(temperatures=[0.0, 0.1, 0.2, 0.3]), description="first round (App. C)")
    again: Again | None = Field(None, description="second round; null: none")
    vote: Vote = Vote()
    judge: Judge = Judge()
    server: Server | None = Field(None, description="where the model is served (engine: openai)")
    samples: list[Import] = Field([], description="imported completions instead of a model")
    seed: int = Field(0, description="sampling seed")
    compare: list[str] = Field(
        [], description="other teachers whose votes the report shows beside this one's"
    )


class Sampling(Block):
    """Student sampling (Eq. 4)."""

    n: PositiveInt = Field(30, description="completions a query (App. C)")
    temperature: NonNegativeFloat = 0.7


class Student(Model):
    """The model to distil into."""

    sampling: Sampling = Sampling()
    samples: list[Import] = Field([], description="imported completions instead of sampling the warm student")
