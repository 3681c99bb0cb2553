"""The config as types: named blocks, checked across blocks before any job starts."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import pydantic
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from scripts.lib.errors import UserError
from scripts.lib.server import Server as ServerFlags

Share = Annotated[float, Field(ge=0, le=1)]
Task = Literal["gsm8k", "gsm_plus", "mmlu_pro", "open"]
Engine = Literal["transformers", "vllm", "openai"]
STUDY_COLUMNS = ("dataset", "teacher", "student", "variant", "seed")


class Block(BaseModel):
    """A block of the config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Download(Block):
    """A file of the hub, fetched by `make prefetch` or on first use into `data/`, under the name of the block."""

    repo: str = Field(description="data set on the hub")
    revision: str = Field(description="full commit hash")
    name: str | None = Field(None, description="configuration of the data set")
    split: str | None = Field(None, description="split, as a Parquet file (exclusive with `file`)")
    file: str | None = Field(None, description="a file of the repository, as it is")
    columns: list[str] = Field([], description="columns to keep of a split; none: all")
    rows: PositiveInt | None = Field(
        None, description="keep so many rows of a split, those of the smallest hash; null: all"
    )

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Download:
        if (self.split is None) == (self.file is None):
            raise ValueError("give exactly one of `split` and `file`")
        return self


class World(Block):
    """The embedded world: arithmetic word problems, made per seed (reference: the README's section on it)."""

    pretraining: PositiveInt = Field(20_000, description="questions in the pretraining corpus of each role")
    train: PositiveInt = Field(2_000, description="queries to distil on")
    validation: PositiveInt = Field(300, description="validation questions")
    test: PositiveInt = Field(1_000, description="held-out questions")


class Dataset(Block):
    """Questions to distil on: either an embedded `world` or a file of `queries`."""

    world: World | None = Field(None, description="make the questions (exclusive with `queries`)")
    queries: Path | None = Field(None, description="JSONL, JSON or Parquet file with a question column")
    question_column: str | None = Field(
        None, description="column of the question; null: found by its usual names"
    )
    answer_column: str | None = Field(None, description="column of the gold answer; null: found, or none")
    options_column: str | None = Field(None, description="column of the choices; null: found, or none")
    id_column: str | None = Field(
        None, description='column of the id; "row": row numbers from 0; null: found, or the content\'s hash'
    )
    group_column: str | None = Field(None, description="rows of one group stay on one side of a split")
    validation_fraction: Share = Field(
        0.1, description="share of the questions held out for validation (App. C.1)"
    )
    test_fraction: Share = Field(
        0.0, description="share of the questions held out for testing (App. C.1, MMLU-Pro)"
    )
    on_leak: Literal["fail", "drop"] = Field(
        "fail",
        description="a training question that also stands in validation or a benchmark: stop, or drop it",
    )
    task: Task = Field(description="how answers are read and compared")
    prompt: str = Field(description="template in config/prompts, without .jinja")
    max_tokens: PositiveInt = Field(description="longest completion, in tokens (App. C.2)")
    seed: int | Literal["row"] = Field(
        0, description='seed of the split; "row": each row of a study has its own'
    )

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Dataset:
        if (self.world is None) == (self.queries is None):
            raise ValueError("give exactly one of `world` and `queries`")
        return self


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
    tensor_parallel_size: PositiveInt = 1
    batch_size: PositiveInt = Field(256, description="completions generated side by side")
    billions: PositiveFloat = Field(0.001, description="parameters in 1e9, for the plan's cost model")
    gpus: NonNegativeInt | None = Field(
        None,
        description="GPUs of a job that runs it; null: tensor_parallel_size, none under 50 million parameters",
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


class Trainer(Block):
    """What every trainer takes, in TRL's words."""

    learning_rate: PositiveFloat
    per_device_train_batch_size: PositiveInt
    gradient_accumulation_steps: PositiveInt = 1
    num_train_epochs: PositiveFloat = 4
    max_steps: int = Field(-1, description="overrides num_train_epochs when positive")
    lr_scheduler_type: str = "linear"
    eval_steps: PositiveInt = 100
    patience: NonNegativeInt = Field(
        0, description="evaluations without gain before stopping; 0: never stop early"
    )
    max_length: PositiveInt | None = Field(
        None, description="examples of more tokens are left out; null: none"
    )
    gradient_checkpointing: bool = Field(False, description="recompute activations, for large students")
    gpus: PositiveInt = Field(1, description="GPUs to train on, one process each")


class SftTraining(Trainer):
    """Warm-up (Eq. 3)."""

    answers_per_query: PositiveInt = Field(10, description="at most so many teacher answers a query")


class DpoTraining(Trainer):
    """Direct preference optimisation on the same pairs (Table 11)."""

    beta: PositiveFloat = 0.1


class RewardTraining(Trainer):
    """Reward model (Eq. 7 to 9)."""

    lam: NonNegativeFloat = Field(0.5, description="lambda of Eq. 9")


class PpoTraining(Block):
    """PPO (Eq. 10 to 12), in the words of TRL's last PPOConfig."""

    reward_design: Literal["ours", "minus", "none", "label"] = Field(
        "ours", description="consistency check (E.5)"
    )
    total_episodes: PositiveInt = 200_000
    batch_size: PositiveInt = Field(description="episodes an iteration, over all GPUs")
    num_ppo_epochs: PositiveInt = 4
    num_mini_batches: PositiveInt = 1
    learning_rate: PositiveFloat = 1e-5
    value_learning_rate: PositiveFloat = 1e-5
    lr_scheduler_type: Literal["linear", "constant"] = "linear"
    max_grad_norm: PositiveFloat = Field(
        1.0, description="clip of the policy's and of the value network's gradient, apart"
    )
    kl_coef: NonNegativeFloat = 0.2
    kl_against: Literal["ref", "old"] = "ref"
    kl_in: Literal["reward", "loss"] = "reward"
    kl_estimator: Literal["k1", "k3"] = "k1"
    vf_coef: NonNegativeFloat = 0.1
    cliprange: PositiveFloat = 0.2
    cliprange_value: PositiveFloat = 0.2
    gamma: Share = 1.0
    lam: Share = Field(0.95, description="lambda of generalised advantage estimation")
    temperature: PositiveFloat = 0.7
    value_warmup_iterations: NonNegativeInt = 0
    eval_every: PositiveInt = 10
    patience: NonNegativeInt = 0
    save_every: PositiveInt = 10
    gradient_checkpointing: bool = Field(False, description="recompute activations, for large students")
    fsdp: bool = Field(False, description="shard the trained networks over the GPUs, for 3B students")
    gpus: PositiveInt = Field(1, description="GPUs to train on, one process each")


class PairSettings(Block):
    """Preference pairs (Eq. 5, 6)."""

    max_student_pairs: NonNegativeInt = Field(6, description="S over S pairs a query; 0: all")
    max_teacher_pairs: NonNegativeInt = Field(4, description="T+ over S+ pairs a query; 0: all")
    teacher_ratio: NonNegativeFloat | None = Field(
        None, description="teacher pairs for one student pair (App. E.2); null: as they come"
    )
    validation_fraction: Share = 0.1


class Reward(Block):
    """A reward model: whose student samples it learns from, which pairs, and how."""

    warmup: str = Field(description="variant that gives the warm student")
    pairs: PairSettings = PairSettings()
    training: RewardTraining


class NoTraining(Block):
    """The base student (ICL) or the teacher, as they are."""

    method: Literal["icl", "teacher"]


class Sft(Block):
    """Supervised fine-tuning on all teacher answers, or on the good ones (Eq. 2)."""

    method: Literal["sft"]
    answers: Literal["all", "good"]
    training: SftTraining


class Ppo(Block):
    """PPO from the `warmup` variant's student under the reward model `reward`."""

    method: Literal["ppo"]
    warmup: str
    reward: str
    training: PpoTraining


class Dpo(Block):
    """DPO from the `warmup` variant's student on the pairs of `reward`."""

    method: Literal["dpo"]
    warmup: str
    reward: str
    training: DpoTraining


class RewardOnly(Block):
    """Stop after the reward model and its evaluation."""

    method: Literal["reward"]
    reward: str


Variant = Annotated[NoTraining | Sft | Ppo | Dpo | RewardOnly, Field(discriminator="method")]


class Benchmark(Block):
    """Held-out questions: a `split` of a data set, or a file of `queries` with golds."""

    dataset: str | None = None
    split: Literal["validation", "test"] = "test"
    queries: Path | None = None
    question_column: str | None = None
    answer_column: str | None = None
    options_column: str | None = None
    task: Task
    prompt: str
    max_tokens: PositiveInt
    trained_on: list[str] = Field(
        [], description="data sets whose rows are evaluated on it; none: every row's"
    )
    annotator: str = Field(
        "weighted_alpaca_eval_gpt4_turbo",
        description="task open: AlpacaEval's annotator, or the YAML file of an own judge",
    )
    gamed: Path | None = Field(
        None, description="task open: df_gamed.csv, for the length-controlled win rate without a network"
    )
    note: str = Field("", description="shown in the report: what this benchmark can and cannot show")


class Override(Block):
    """Settings that hold only for some combinations (the paper's Tables 7 and 8)."""

    where: dict[Literal["dataset", "teacher", "student", "variant", "reward"], str | list[str]] = Field(
        description="names that must match, one or several a key; a variant or a reward is named always"
    )
    training: dict[str, Any] = Field(description="keys of the training block to replace")

    def holds(self, names: dict[str, str]) -> bool:
        """Whether every key of `where` allows the name given for it."""
        return all(names.get(key) in listed(allowed) for key, allowed in self.where.items())


class Study(Block):
    """Rows to compare."""

    table: Path = Field(description="TSV with the columns dataset, teacher, student, variant, seed")
    benchmarks: list[str] = Field([], description="what every row is evaluated on")


class Config(Block):
    """The whole config."""

    store: Path = Field(Path("store"), description="folder of the sample store")
    state: Path = Field(Path("state"), description="folder of unfinished trainings")
    max_hours: PositiveFloat = Field(
        24, description="longest time a job asks for; what it cuts off goes on in the next attempt"
    )
    models: dict[str, Pretraining | Untrained] = {}
    downloads: dict[str, Download] = Field({}, description="files of data/, by their names there")
    datasets: dict[str, Dataset]
    teachers: dict[str, Teacher]
    students: dict[str, Student]
    rewards: dict[str, Reward] = {}
    variants: dict[str, Variant]
    benchmarks: dict[str, Benchmark] = {}
    overrides: list[Override] = []
    studies: dict[str, Study]

    def training(self, kind: Literal["variant", "reward"], **names: str) -> BaseModel:
        """The `training` block of names[kind] with every matching override applied, in order."""
        block = {"variant": self.variants, "reward": self.rewards}[kind][names[kind]].training
        changes: dict[str, Any] = {}
        for override in self.overrides:
            if kind in override.where and override.holds(names):
                changes |= override.training
        return type(block).model_validate(block.model_dump() | changes)


def used(config: Config, study: str, table: list[dict]) -> Config:
    """The config without the blocks that no row of a study needs."""
    needed = {column: {row[column] for row in table} for column in STUDY_COLUMNS}
    for _ in range(3):
        blocks = [config.variants[name] for name in needed["variant"]]
        needed["reward"] = {block.reward for block in blocks if getattr(block, "reward", None)}
        warmups = {getattr(block, "warmup", None) for block in blocks} - {None}
        needed["variant"] |= warmups | {config.rewards[name].warmup for name in needed["reward"]}
    needed["teacher"] |= {other for name in needed["teacher"] for other in config.teachers[name].compare}
    needed["benchmark"] = set(config.studies[study].benchmarks)
    needed["dataset"] |= {config.benchmarks[name].dataset for name in needed["benchmark"]} - {None}
    needed["dataset"] |= {name for key in needed["benchmark"] for name in config.benchmarks[key].trained_on}
    owners = [config.teachers[name] for name in needed["teacher"]] + [
        config.students[name] for name in needed["student"]
    ]
    needed["model"] = {block.pretrained for block in owners} - {None}
    needed["dataset"] |= {getattr(config.models[name], "dataset", None) for name in needed["model"]} - {None}
    kept = {
        f"{key}s": {k: v for k, v in getattr(config, f"{key}s").items() if k in names}
        for key, names in needed.items()
        if key != "seed"
    }
    return config.model_copy(update=kept | {"studies": {study: config.studies[study]}})


def parse(raw: dict, source: str = "config") -> Config:
    """Check a config read from YAML. Raises UserError naming the key, the value and the nearest right name."""
    try:
        config = Config.model_validate(raw)
    except pydantic.ValidationError as error:
        raise UserError(f"{source}: {_explain(error.errors()[0], raw)}") from None
    _check_names(config, source)
    return config


def rows(config: Config, study: str) -> list[dict]:
    """The rows of a study: dicts of `STUDY_COLUMNS` with an int seed. Raises UserError for a wrong table."""
    known(config.studies, study, "studies")
    path = config.studies[study].table
    if not path.exists():
        raise UserError(f"config: studies.{study}.table: {path} does not exist")
    text = pl.read_csv(path, separator="\t", infer_schema=False, comment_prefix="#")
    if tuple(text.columns) != STUDY_COLUMNS:
        raise UserError(
            f"{path}: columns are {', '.join(text.columns)}; they must be {', '.join(STUDY_COLUMNS)}"
        )
    text = text.filter(~pl.all_horizontal(pl.all().is_null()))
    if text.is_empty():
        raise UserError(f"{path}: no rows; add one (dataset, teacher, student, variant, seed)")
    blocks = {
        "dataset": config.datasets,
        "teacher": config.teachers,
        "student": config.students,
        "variant": config.variants,
    }
    for number, row in enumerate(text.iter_rows(named=True), start=2):
        for column, block in blocks.items():
            known(block, row[column] or "", f"{column}s", f"{path}, line {number}")
        if not (row["seed"] or "").isdigit():
            raise UserError(
                f"{path}, line {number}: seed is {row['seed']!r}; it must be a whole number from 0"
            )
    if text.is_duplicated().any():
        raise UserError(f"{path}: a row stands twice; delete one of them")
    return [row | {"seed": int(row["seed"])} for row in text.iter_rows(named=True)]


def known(names: dict, name: str, where: str, source: str = "config") -> None:
    """Raise UserError unless `name` is one of `names`."""
    if name not in names:
        raise UserError(f"{source}: {name!r} is not in `{where}`; {_nearest(name, names)}")


def listed(value: str | list[str]) -> list[str]:
    """One name or several, as a list."""
    return [value] if isinstance(value, str) else value


def _nearest(name: str, names: Any) -> str:
    close = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


def _check_names(config: Config, source: str) -> None:
    for name, model in config.models.items():
        if isinstance(model, Pretraining):
            known(config.datasets, model.dataset, "datasets", f"{source}: models.{name}.dataset")
    for kind, block in (("teachers", config.teachers), ("students", config.students)):
        for name, model in block.items():
            if model.pretrained is not None:
                known(config.models, model.pretrained, "models", f"{source}: {kind}.{name}.pretrained")
            if (
                kind == "teachers"
                and (model.pretrained is not None) + (model.model is not None) + bool(model.samples) != 1
            ):
                raise UserError(
                    f"{source}: {kind}.{name}: give exactly one of `pretrained`, `model` and `samples`"
                )
            for other in getattr(model, "compare", []):
                known(config.teachers, other, "teachers", f"{source}: teachers.{name}.compare")
            _check_server(model, f"{source}: {kind}.{name}")
            if kind == "students" and (model.pretrained is None) == (model.model is None):
                raise UserError(f"{source}: {kind}.{name}: give exactly one of `pretrained` and `model`")
    for name, reward in config.rewards.items():
        known(config.variants, reward.warmup, "variants", f"{source}: rewards.{name}.warmup")
    for name, variant in config.variants.items():
        for key, block in (("warmup", config.variants), ("reward", config.rewards)):
            if (value := getattr(variant, key, None)) is not None:
                known(
                    block,
                    value,
                    f"{key}s" if key == "reward" else "variants",
                    f"{source}: variants.{name}.{key}",
                )
    for name, benchmark in config.benchmarks.items():
        if (benchmark.dataset is None) == (benchmark.queries is None):
            raise UserError(f"{source}: benchmarks.{name}: give exactly one of `dataset` and `queries`")
        if benchmark.dataset is not None:
            known(config.datasets, benchmark.dataset, "datasets", f"{source}: benchmarks.{name}.dataset")
    for kind, block in (("datasets", config.datasets), ("benchmarks", config.benchmarks)):
        for name, item in block.items():
            template = Path("config/prompts") / f"{item.prompt}.jinja"
            if not template.exists():
                raise UserError(f"{source}: {kind}.{name}.prompt: {template} does not exist")
    for name, benchmark in config.benchmarks.items():
        for dataset in benchmark.trained_on:
            known(config.datasets, dataset, "datasets", f"{source}: benchmarks.{name}.trained_on")
    for name, teacher in config.teachers.items():
        template = Path("config/prompts") / f"{teacher.judge.prompt}.jinja"
        if not template.exists():
            raise UserError(f"{source}: teachers.{name}.judge.prompt: {template} does not exist")
    for name, study in config.studies.items():
        for benchmark in study.benchmarks:
            known(config.benchmarks, benchmark, "benchmarks", f"{source}: studies.{name}.benchmarks")
    for number, override in enumerate(config.overrides):
        kind = "reward" if "reward" in override.where else "variant"
        block = config.rewards if kind == "reward" else config.variants
        if kind not in override.where:
            raise UserError(f"{source}: overrides[{number}].where: name a variant or a reward")
        for name in listed(override.where[kind]):
            known(block, name, f"{kind}s", f"{source}: overrides[{number}].where")
            changed = block[name].training.model_dump() | override.training
            try:
                type(block[name].training).model_validate(changed)
            except pydantic.ValidationError as error:
                raise UserError(
                    f"{source}: overrides[{number}].training: {_explain(error.errors()[0], changed)}"
                ) from None


def _check_server(model: Model, where: str) -> None:
    server = getattr(model, "server", None)
    if model.engine != "openai":
        if server is not None:
            raise UserError(f"{where}.server: the engine is {model.engine}; set engine: openai, or drop it")
        return
    if not isinstance(model, Teacher):
        raise UserError(f"{where}.engine: a student is trained here; use transformers or vllm")
    if server is None or model.model is None:
        raise UserError(f"{where}: engine openai needs `server` and `model`, the name there; add them")
    if model.revision is not None:
        raise UserError(f"{where}.revision: a server knows none; drop it, the model's name pins it")
    try:
        ServerFlags(**server.model_dump()).check()
    except UserError as error:
        raise UserError(f"{where}.server: {error}") from None


def _explain(error: dict, raw: dict) -> str:
    """One line for pydantic's first complaint: where, what, and the nearest right name for an unknown key."""
    path = [
        part
        for part in error["loc"]
        if part not in {"icl", "teacher", "sft", "ppo", "dpo", "reward"} or part in _keys(raw, error["loc"])
    ]
    where = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key; {_nearest(path[-1], _siblings(error['loc']))}"
    if error["type"] == "missing":
        return f"{where}: missing; add it"
    return f"{where}: {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"


def _keys(raw: Any, loc: tuple) -> set:
    found: set = set()
    for part in loc:
        if isinstance(raw, dict) and part in raw:
            found.add(part)
            raw = raw[part]
    return found


def _siblings(loc: tuple) -> list[str]:
    """The keys allowed beside the last part of `loc`, by walking the schema of `Config`."""
    schema = Config.model_json_schema()
    definitions = schema["$defs"]
    node: dict = schema
    for part in loc[:-1]:
        node = _resolve(node, definitions)
        if part in node.get("properties", {}):
            node = node["properties"][part]
        elif "additionalProperties" in node and isinstance(node["additionalProperties"], dict):
            node = node["additionalProperties"]
        elif isinstance(part, int):
            node = node.get("items", {})
        elif "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"].get(part, "")}
    return list(_resolve(node, definitions).get("properties", {}))


def _resolve(node: dict, definitions: dict) -> dict:
    while True:
        if node.get("$ref"):
            node = definitions[node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next((item for item in node["anyOf"] if item.get("type") != "null"), {})
        else:
            return node
