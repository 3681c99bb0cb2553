"""What each job costs, from the config alone: GPUs, memory, hours, tokens, disk. The rules ask for it, the
plan adds it up.

Hours are the roofline of `scripts/lib/workflow/roofline.py`. Where this site has finished jobs of a rule,
the plan prefers those.
"""

import functools
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.lib.config.data import Benchmark
from scripts.lib.config.methods import BY_RULE, REWARD_RULE, rule_of
from scripts.lib.config.models import Model, Pretraining, Server, Teacher
from scripts.lib.config.whole import Config
from scripts.lib.data.settings import Shots
from scripts.lib.engines.registry import engine_class
from scripts.lib.errors import UserError
from scripts.lib.runs.attempts import SHORTEST, Past
from scripts.lib.tasks import is_judged
from scripts.lib.training.settings.base import CANDIDATES
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.workflow import memory as memory_of
from scripts.lib.workflow.layout import Layout
from scripts.lib.workflow.memory import USABLE, Memory
from scripts.lib.workflow.roofline import (
    GPUS,
    PROMPT_TOKENS,
    ROLLOUT_LENGTH,
    TYPICAL_LENGTH,
    Gpu,
    cache_bytes,
    ppo_seconds,
    sampling_seconds,
    training_seconds,
)
from scripts.lib.workflow.sizes import BYTES, check_model, made, nodes_of

UNSURE, LABELLED = 0.3, 0.85
"""Usual shares of queries that are asked again, and that get a label."""
EARLY_STOP = 0.64
"""Usual share of PPO's episodes before it stops early (App. F, 3B:
8k steps of the 12.5k that 200,000 episodes are)."""

PASS = 8192
"""Padded tokens of PPO's passes on CUDA where the settings leave them open (scripts/train/train_ppo.py)."""

LATENCY, TOKEN_SECONDS = 1.0, 0.02
"""Seconds a server takes to begin an answer, and for each of its tokens."""
ANNOTATOR_PRICE = 10
"""Dollars per million tokens that AlpacaEval's judge, GPT-4 Turbo, reads; it writes one token an answer."""

USUAL_ROWS = 7500
PUBLISHED: dict[str, dict[str | None, int]] = {
    "openai/gsm8k": {"train": 7473, "test": 1319},
    "qintongli/GSM-Plus": {"test": 10_552},
    "TIGER-Lab/MMLU-Pro": {"test": 12_032},
    "tatsu-lab/alpaca_eval": {None: 805},
}
"""Rows of data sets that the plan speaks of before they have been fetched."""

SHARDED = {
    "sample_teacher": "teacher",
    "sample_teacher_again": "teacher",
    "judge_teacher": "teacher",
    "judge_student": "teacher",
    "sample_student": "student",
}
"""Steps that may be split, and whose `shards` or `shard_minutes` says so:
a benchmark's greedy answers take hours at most."""

SAMPLED = {
    "teacher": ("sample_teacher", "sample_teacher_on_benchmark"),
    "student": ("sample_student", "sample_checkpoint"),
}
"""The steps that sample a row's models: on the data set, and on a benchmark."""

MODEL_LOADING = 120
"""Seconds to start Python, load weights and, for vLLM, to compile."""


@dataclass(frozen=True)
class Cost:
    """One job: GPUs, the nodes that share them evenly, CPUs and memory in MB of each node, seconds expected
    and at most; tokens, bytes and dollars at most."""

    gpu: int = 0
    nodes: int = 1
    cpus: int = 1
    mem_mb: int = 2000
    seconds: float = 60
    seconds_at_most: float = 120
    tokens: int = 0
    disk: float = 1e6
    dollars: float = 0
    loading: float = 0
    """Of the seconds, those that every shard of it needs again."""
    memory: Memory | None = None
    """What it holds on each GPU."""

    def split(self, count: int) -> "Cost":
        """One of `count` shards; the tokens stand with the step, whose ledger tells what they came to."""
        return replace(
            self,
            seconds=self.loading + (self.seconds - self.loading) / count,
            seconds_at_most=self.loading + (self.seconds_at_most - self.loading) / count,
            tokens=0,
            disk=self.disk / count,
        )

    def gathering(self) -> "Cost":
        """What is left to do when shards have done the work: read the store, write the samples."""
        seconds = 60 + self.disk / 2e7
        memory = 4000 + int(self.disk / 4e6)
        tokens = self.tokens
        return Cost(
            cpus=2, mem_mb=memory, seconds=seconds, seconds_at_most=10 * seconds, tokens=tokens, disk=0
        )

    def request(
        self,
        max_hours: float,
        slack: float = 1,
        past: Past = Past(),  # noqa: B008
    ) -> dict[str, int | str | None]:
        """Snakemake resources of the next attempt after `past`. `runtime` (minutes): the worst case, at least
        30 with and 15 without GPU, up to `max_hours` a start; `gpu_memory`: MB of each GPU; `gpus_wanted`:
        `gpu` before a machine's limit cuts it.

        `expected` and `at_most` are seconds over all its `starts`, the latter over all calls, too; `held` of
        them are spent. More memory is for a job that ran out of it, up to a node's; more time for one that
        met its limit before anything was done. Of several nodes, `mpi` keeps SLURM's plugin from starting the
        job by an `srun` for one, and `tasks` are one per node.
        """
        floor, limit = (30 if self.gpu else 15), 60 * max_hours
        whole = max(floor, self.seconds_at_most / 60 + 10)
        again = max(1, limit - SHORTEST / 60)
        at_most = slack * (
            whole + (math.ceil(whole / limit) > 1) * (math.ceil(whole / again) - 1) * SHORTEST / 60
        )
        at_most *= 1 if self.gpu else 3
        left = max(at_most - past.held / 60, SHORTEST / 60)
        starts = 1 if self.seconds <= 60 * limit else math.ceil(self.seconds / 60 / again)
        return {
            "gpu": self.gpu,
            "gpus_wanted": self.gpu,
            "nodes": self.nodes,
            "mpi": "srun" if self.nodes > 1 else None,
            "tasks": self.nodes if self.nodes > 1 else None,
            "tasks_per_gpu": 0 if self.nodes > 1 else None,
            "cpus_per_task": self.cpus,
            "mem_mb": int(min(self.mem_mb * (1 + past.memory / 2), past.node_mb)),
            "runtime": math.ceil(min(whole * 2**past.limits, limit, left)),
            "starts": starts,
            "expected": math.ceil(self.seconds + (starts - 1) * SHORTEST),
            "at_most": math.ceil(at_most) * 60,
            "held": math.ceil(past.held),
            "tokens": self.tokens,
            "cents": math.ceil(100 * self.dollars),
            "disk_mb": math.ceil(self.disk / 1e6),
            "gpu_memory": math.ceil(self.memory.total / 1e6) if self.memory and self.gpu else 0,
        }


@functools.cache
def rows_of(path: Path, usual: int = USUAL_ROWS) -> int:
    """Rows of a file of questions, without reading more than needed; `usual` where it is not there yet."""
    if not path.is_file():
        return usual
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq  # a plan of questions that are not there yet starts faster without

            return pq.read_metadata(path).num_rows
        with path.open("rb") as file:
            start = file.read(64).lstrip()[:1]
            file.seek(0)
            return len(json.load(file)) if start == b"[" else sum(1 for _ in file)
    except (OSError, ValueError, RecursionError):
        return usual


@dataclass(frozen=True)
class Costs:
    """Costs of the jobs of a config with `sized` models; one method per rule, its wildcards as a dict."""

    config: Config
    counted: bool = True
    """Whether files that are fetched are counted once they are there, or go by what is known before."""

    @property
    def gpu(self) -> Gpu:
        """The site's GPUs."""
        return GPUS[self.config.gpu]

    def of(self, rule: str, row: dict[str, str]) -> Cost:
        """The cost of a rule's job. Raises KeyError for a rule that has none."""
        step = rule.removesuffix("_shard")
        whole = self.whole(step, row)
        count = self.shards(step, row)
        if rule != step:
            return whole.split(count)
        return whole.gathering() if count > 1 else whole

    def whole(self, rule: str, row: dict[str, str]) -> Cost:
        """The same where nothing is split into shards."""
        if method := BY_RULE.get(rule.removesuffix("_candidates")):
            other = "reward" if method.trains == "variant" else "variant"
            return method.cost(self, {key: name for key, name in row.items() if key != other})
        if rule not in vars(Costs):
            raise KeyError(f"rule {rule} has no cost: give Costs a method of its name")
        return getattr(self, rule)(row)

    def shards(self, rule: str, row: dict[str, str]) -> int:
        """Jobs that a sampling or judging step is split into: by the config alone, so that nothing a run
        makes changes it."""
        if rule not in SHARDED:
            return 1
        model = getattr(self.config, f"{SHARDED[rule]}s")[row[SHARDED[rule]]]
        if model.shard_minutes is None:
            return model.shards or 1
        whole = getattr(replace(self, counted=False), rule)(row)
        return math.ceil((whole.seconds_at_most - whole.loading) / (60 * model.shard_minutes))

    def placement(self, rule: str, row: dict[str, str]) -> dict[str, str]:
        """What the config gives the model that a rule's job runs or trains, as Snakemake resources: where it
        is to run on SLURM. What gathers the work of shards runs no model."""
        step = rule.removesuffix("_shard")
        column = "teacher" if step.startswith(("sample_teacher", "judge_")) else "student"
        if column not in row or (rule == step and self.shards(step, row) > 1):
            return {}
        return getattr(self.config, f"{column}s")[row[column]].resources.given

    def check(self, rows: list[dict]) -> None:
        """Raise UserError for the first row of a study whose models have no known size or do not fit this
        site's GPUs."""
        for row in rows:
            names = {key: str(name) for key, name in row.items()}
            for column in SAMPLED:
                block = getattr(self.config, f"{column}s")[row[column]]
                check_model(block, f"{column}s.{row[column]}")
                if block.billions:
                    self._check_sampling(column, names)
            variant = self.config.variants[row["variant"]]
            if reward := getattr(variant, "reward", None):
                self._check_room(REWARD_RULE, names | {"reward": reward}, f"rewards.{reward}.training")
            if hasattr(variant, "training"):
                self._check_room(rule_of(variant.method), names, f"variants.{row['variant']}.training")

    def _check_sampling(self, column: str, row: dict[str, str]) -> None:
        """Raise UserError where a row's teacher or student has no room for one completion, benchmarks
        included."""
        sampling, evaluation = SAMPLED[column]
        block = f"{column}s.{row[column]}"
        self._check_room(sampling, row, block)
        for benchmark in self.config.benchmarks:
            self._check_room(evaluation, row | {"benchmark": benchmark}, block)

    def _check_room(self, rule: str, row: dict[str, str], block: str) -> None:
        """Raise UserError where a rule's job does not fit, with the key of `block` to turn."""
        cost = self.whole(rule, row)
        memory = cost.memory
        if cost.gpu % cost.nodes:
            raise UserError(
                f"{block}.gpus: {cost.nodes} nodes of {self.config.gpus_per_node} GPUs (gpus_per_node) "
                f"cannot share {cost.gpu} evenly; set a multiple of {self.config.gpus_per_node}"
            )
        if not cost.gpu or memory is None or memory.fits:
            return
        whose = f" of students.{row['student']}" if rule.startswith("train_") else ""
        raise UserError(
            f"{block}: {rule}{whose} needs {memory.total / 1e9:.0f} GB on each GPU, of "
            f"the {memory.limit / 1e9:.0f} it may fill ({self.config.gpu}): {memory.said()}; "
            f"{self._mend(rule, row, block)}"
        )

    def _mend(self, rule: str, row: dict[str, str], block: str) -> str:
        """The key that makes most room."""
        if not rule.startswith("train_"):
            shared = f"raise {block}.tensor_parallel_size or {block}.gpu_memory_utilization"
            asked = f"benchmarks.{row['benchmark']}" if "benchmark" in row else f"datasets.{row['dataset']}"
            return f"{shared}, or lower {asked}.max_tokens"
        if getattr(self.training(row), "asks_teacher", False) and not self._teacher(row).remote:
            return f"serve teachers.{row['teacher']} (engine: openai), or judge by a smaller one"
        names = row if rule != REWARD_RULE else {key: row[key] for key in row if key != "variant"}
        training = self.training(names)
        if getattr(training, share := "vllm_gpu_memory_utilization", 0) > getattr(PpoTraining(), share):
            return f"lower {block}.{share}"
        if not training.gradient_checkpointing:
            return f"set {block}.gradient_checkpointing: true"
        if not getattr(training, "fsdp", True):
            return f"set {block}.fsdp: true"
        if hasattr(training, "fsdp") and training.gpus < self.config.gpus_per_node:
            return f"raise {block}.gpus"
        return "take a smaller student, or set `gpu` to a larger one"

    def table(self, row: dict[str, str]) -> Cost:
        """A CPU step over tables: a few rows per query and sample. The most that one holds are its questions,
        less than 5 kB each; where a teacher judges, all its samples (profiles/slurm/SCALE.md)."""
        dataset = self.config.datasets.get(row.get("dataset", ""))
        questions = self.questions(row["dataset"], "train") if dataset else 0
        rows = questions * 80
        held = rows // 2000 if dataset and is_judged(dataset.task) else questions // 200
        seconds = 10 + rows / 2e4
        return Cost(mem_mb=2000 + held, seconds=seconds, seconds_at_most=3 * seconds, disk=rows * 60 + 1e5)

    def world(self, row: dict[str, str]) -> Cost:
        """Making the embedded world."""
        return Cost(mem_mb=3000, seconds=30, seconds_at_most=300, disk=2e7)

    def pretrain(self, row: dict[str, str]) -> Cost:
        """Training one of the embedded world's models."""
        block = self.config.models[row["model"]]
        assert isinstance(block, Pretraining)
        tokens = block.max_steps * block.batch_size * 60
        seconds = 20 + training_seconds(tokens, 0, billions=made(block), gpus=0, gpu=self.gpu)
        return Cost(cpus=2, mem_mb=4000, seconds=seconds, seconds_at_most=5 * seconds, disk=1e7)

    def sample_teacher(self, row: dict[str, str]) -> Cost:
        """First round of teacher sampling."""
        return self._teacher_round(row, "base", 1.0)

    def sample_teacher_again(self, row: dict[str, str]) -> Cost:
        """Second round: every query at most."""
        return self._teacher_round(row, "again", UNSURE)

    def sample_teacher_on_validation(self, row: dict[str, str]) -> Cost:
        """First round on the validation questions, where votes choose checkpoints."""
        return self._teacher_round(row, "base", 1.0, "validation")

    def sample_teacher_on_validation_again(self, row: dict[str, str]) -> Cost:
        """Second round of those."""
        return self._teacher_round(row, "again", UNSURE, "validation")

    def _teacher_round(self, row: dict[str, str], which: str, share: float, split: str = "train") -> Cost:
        teacher, dataset = self.config.teachers[row["teacher"]], self.config.datasets[row["dataset"]]
        block = getattr(teacher, which)
        completions = self.questions(row["dataset"], split) * block.samples
        prompt = prompt_size(dataset.prompt, dataset.shots)
        return self._sampling(teacher, completions, dataset.max_tokens, share, prompt)

    def sample_student(self, row: dict[str, str]) -> Cost:
        """Samples of the warm student for the reward model."""
        student, dataset = self.config.students[row["student"]], self.config.datasets[row["dataset"]]
        completions = self.questions(row["dataset"], "train") * student.sampling.samples
        prompt = prompt_size(dataset.prompt, dataset.shots)
        return self._sampling(student, completions, dataset.max_tokens, LABELLED, prompt)

    def judge_teacher(self, row: dict[str, str]) -> Cost:
        """The teacher's scores of its own samples."""
        rounds = [block for name in ("base", "again") if (block := getattr(self._teacher(row), name))]
        return self._judging(row, sum(block.samples for block in rounds))

    def judge_student(self, row: dict[str, str]) -> Cost:
        """The teacher's scores of the warm student's samples."""
        return self._judging(row, self.config.students[row["student"]].sampling.samples)

    def sample_candidates(self, row: dict[str, str]) -> Cost:
        """One greedy answer of each candidate to a validation question; each candidate is loaded."""
        student, dataset = self.config.students[row["student"]], self.config.datasets[row["dataset"]]
        questions = self.questions(row["dataset"], "validation")
        prompt = prompt_size(dataset.prompt, dataset.shots)
        one = self._sampling(student, questions, dataset.max_tokens, 1.0, prompt)
        return replace(
            one,
            seconds=CANDIDATES * one.seconds,
            seconds_at_most=CANDIDATES * one.seconds_at_most,
            tokens=CANDIDATES * one.tokens,
            disk=CANDIDATES * one.disk,
        )

    def judge_candidates(self, row: dict[str, str]) -> Cost:
        """The teacher's scores of those answers."""
        return self._judging(row, CANDIDATES, "validation")

    def _judging(self, row: dict[str, str], samples: int, split: str = "train") -> Cost:
        judge = self._teacher(row).judge
        responses = self.questions(row["dataset"], split) * samples
        teacher, longest = self._teacher(row), self.config.datasets[row["dataset"]].max_tokens
        if teacher.server:
            judgements = responses * (judge.n + judge.retries)
            return served(
                teacher.server, judgements, judge.max_tokens, LABELLED, prompt_size(judge.prompt) + longest
            )
        prompt = prompt_size(judge.prompt)
        return self._sampling(teacher, responses * judge.n, judge.max_tokens, LABELLED, prompt)

    def _teacher(self, row: dict[str, str]) -> Teacher:
        return self.config.teachers[row["teacher"]]

    def sample_checkpoint(self, row: dict[str, str]) -> Cost:
        """One greedy answer a benchmark question."""
        return self._evaluation(self.config.students[row["student"]], row["benchmark"])

    sample_base_student = sample_checkpoint

    def sample_repeatedly(self, row: dict[str, str]) -> Cost:
        """Several answers a benchmark question."""
        student = self.config.students[row["student"]]
        return self._evaluation(student, row["benchmark"], student.repeated.samples)

    def reward_repeated(self, row: dict[str, str]) -> Cost:
        """Rewards of those."""
        student, benchmark = self.config.students[row["student"]], self.config.benchmarks[row["benchmark"]]
        tokens = PROMPT_TOKENS + TYPICAL_LENGTH * benchmark.max_tokens
        return self._scoring(row, self._asked(benchmark) * student.repeated.samples * tokens)

    def sample_teacher_on_benchmark(self, row: dict[str, str]) -> Cost:
        """One greedy teacher answer a benchmark question."""
        return self._evaluation(self.config.teachers[row["teacher"]], row["benchmark"])

    def _asked(self, benchmark: Benchmark) -> int:
        """Questions of a benchmark."""
        if benchmark.dataset:
            return self.questions(benchmark.dataset, benchmark.split)
        return self._rows(benchmark.queries)

    def _evaluation(self, model: Model, name: str, each: int = 1) -> Cost:
        benchmark = self.config.benchmarks[name]
        shown = self.config.datasets[benchmark.dataset] if benchmark.dataset else benchmark
        prompt = prompt_size(benchmark.prompt, shown.shots)
        return self._sampling(model, each * self._asked(benchmark), benchmark.max_tokens, 1.0, prompt)

    def alpaca_eval(self, row: dict[str, str]) -> Cost:
        """AlpacaEval's judge, asked once per question: its prices, for two answers of the greatest length."""
        benchmark = self.config.benchmarks[row["benchmark"]]
        questions = self._rows(benchmark.queries)
        priced = "gpt4" in (benchmark.annotator or "")
        tokens = prompt_size("judge") + 2 * benchmark.max_tokens
        return Cost(
            seconds=60 + questions * LATENCY / 5,
            seconds_at_most=300 + questions * LATENCY,
            dollars=questions * tokens * ANNOTATOR_PRICE / 1e6 if priced else 0,
        )

    def _sampling(self, model: Model, completions: int, max_tokens: int, share: float, prompt: float) -> Cost:
        if server := getattr(model, "server", None):
            return served(server, completions, max_tokens, share, prompt)
        gpus, nodes = gpus_of(model), model.nodes or 1
        run = functools.partial(
            sampling_seconds, billions=billions_of(model), gpus=gpus, batch=model.batch_size, gpu=self.gpu
        )
        loading = MODEL_LOADING + 6 * billions_of(model) if gpus else 20
        reserved = model.gpu_memory_utilization if engine_class(model.engine).reserves else USABLE
        usual = loading + run(completions * share, TYPICAL_LENGTH * max_tokens)
        return Cost(
            gpu=gpus,
            nodes=nodes,
            cpus=8 * gpus // nodes or 2,
            mem_mb=int(16_000 + 2500 * billions_of(model) / nodes) if gpus else 4000 + completions // 5000,
            seconds=usual,
            seconds_at_most=max(2 * usual, loading + run(completions, TYPICAL_LENGTH * max_tokens)),
            tokens=completions * max_tokens,
            disk=completions * (2 * max_tokens + 100),
            loading=loading,
            memory=memory_of.sampling(
                1e9 * billions_of(model) * BYTES[model.dtype],
                cache_bytes(billions_of(model)),
                self.gpu.memory * reserved,
                ranks=(model.tensor_parallel_size or 1) * (model.pipeline_parallel_size or 1),
                completions=min(model.batch_size, completions),
                longest=prompt + max_tokens,
            ),
        )

    def training(self, row: dict[str, str]) -> Any:
        """The settings of a variant's training, or of a reward model's where the row names no variant."""
        return self.config.training("variant" if "variant" in row else "reward", **row)

    def fitted(self, row: dict[str, str]) -> Any:
        """The settings of a training, its passes cut to what its GPUs have room for: examples a step (and
        more steps for an update), or PPO's tokens a pass. An update stays what it was."""
        training = self.training(row)
        variant = self.config.variants.get(row.get("variant", ""))
        cost = self.of(rule_of(variant.method) if variant else REWARD_RULE, row)
        if not cost.gpu or cost.memory is None:
            return training
        if isinstance(training, PpoTraining):
            tokens = max(cost.memory.least, min(cost.memory.wanted, cost.memory.affords))
            return replace(training, max_tokens_per_micro_batch=int(tokens))
        examples = training.per_device_train_batch_size
        update = examples * training.gradient_accumulation_steps
        most = int(examples * min(1.0, cost.memory.affords / cost.memory.wanted))
        size = next(size for size in range(max(1, most), 0, -1) if update % size == 0)
        return replace(training, per_device_train_batch_size=size, gradient_accumulation_steps=update // size)

    def answers(self, row: dict[str, str]) -> float:
        """Answers that a variant is trained on, at most: as if no two texts were equal."""
        teacher, wanted = self._teacher(row), self.training(row).answers_per_query
        if getattr(self.config.variants[row["variant"]], "samples_of", None):
            student = self.config.students[row["student"]]
            own = len(student.samples) or student.sampling.samples
            return LABELLED * self.questions(row["dataset"], "train") * (min(wanted, own) if wanted else own)
        again = teacher.again if not is_judged(self.config.datasets[row["dataset"]].task) else None
        sampled = teacher.base.samples + (UNSURE * again.samples if again else 0)
        each = len(teacher.samples) or sampled
        return self.questions(row["dataset"], "train") * (min(wanted, each) if wanted else each)

    def pairs(self, row: dict[str, str]) -> float:
        """Pairs that a variant or a reward model is trained on."""
        variant: Any = self.config.variants[row["variant"]] if "variant" in row else None
        return self._pairs(row, variant.pairs if variant else row["reward"])

    def evaluate_reward(self, row: dict[str, str]) -> Cost:
        """Scores of the held-out pairs."""
        pairs = self._pairs(row, row["reward"]) * self.config.rewards[row["reward"]].pairs.test_fraction
        return self._scoring(row, pairs * 2 * self._example_tokens(row))

    def _scoring(self, row: dict[str, str], tokens: float) -> Cost:
        """A reward model's pass over so many tokens of answers."""
        student = self.config.students[row["student"]]
        gpus = min(1, gpus_of(student))
        seconds = MODEL_LOADING + training_seconds(
            tokens, 0, billions=billions_of(student), gpus=gpus, gpu=self.gpu, passes=1
        )
        return Cost(
            gpu=gpus,
            cpus=4,
            mem_mb=_memory(student, gpus),
            seconds=seconds,
            seconds_at_most=3 * seconds,
            memory=memory_of.scoring(billions_of(student), self.gpu.memory, self._longest(row)),
        )

    def policy_optimisation(self, row: dict[str, str]) -> Cost:
        """A policy under a reward: every episode; early stopping comes sooner."""
        training, student = self.training(row), self.config.students[row["student"]]
        gpus = training_gpus(student, training)
        seconds = MODEL_LOADING + ppo_seconds(
            training.total_episodes,
            training.batch_size,
            training.num_ppo_epochs,
            self.config.datasets[row["dataset"]].max_tokens,
            billions=billions_of(student),
            gpus=gpus,
            gpu=self.gpu,
            critic=training.has_critic,
            adversarial=training.adversarial,
        )
        asked = self._asked_within(row, training, gpus)
        seconds += asked.seconds
        memory, networks = self._ppo_memory(row, training), 3 + training.has_critic
        cost = self._trained(student, gpus, seconds, memory, networks=networks)
        cost = replace(cost, tokens=asked.tokens, dollars=asked.dollars, disk=cost.disk + asked.disk)
        return replace(cost, seconds=seconds * EARLY_STOP) if training.patience else cost

    def _asked_within(self, row: dict[str, str], training: PpoTraining, gpus: int) -> Cost:
        """The teacher's scores of all responses of a policy's training, a batch at a time, in its first
        process or at a server; nothing where it gives none."""
        judge = Layout(self.config).judge(row)
        if judge is None:
            return Cost(seconds=0, disk=0)
        teacher, most = self._teacher(row).in_training, training.max_judgements or math.inf
        longest, batch = self.config.datasets[row["dataset"]].max_tokens, training.batch_size * judge.n
        if teacher.server:
            judgements = min(training.total_episodes * (judge.n + judge.retries), most)
            server = replace(teacher.server, concurrency=min(teacher.server.concurrency, batch))
            return served(server, judgements, judge.longest, 1.0, prompt_size(judge.prompt) + longest)
        model = replace(teacher, gpus=min(1, gpus), batch_size=min(teacher.batch_size, batch))
        judgements = int(min(training.total_episodes * judge.n, most))
        return self._sampling(model, judgements, judge.longest, 1.0, prompt_size(judge.prompt))

    def distillation(self, row: dict[str, str]) -> Cost:
        """A training on a teacher's logits, with answers of the student's own among the examples."""
        training, student = self.training(row), self.config.students[row["student"]]
        larger = billions_of(self._teacher(row)) / billions_of(student)
        cost = self.supervised(row, self.answers(row), texts=1, passes=3 + larger, frozen=larger)
        seconds = cost.seconds + sampling_seconds(
            training.lmbda * self._examples(training, self.answers(row)),
            TYPICAL_LENGTH * self.config.datasets[row["dataset"]].max_tokens,
            billions=billions_of(student),
            gpus=cost.gpu,
            batch=training.per_device_train_batch_size,
            gpu=self.gpu,
        )
        return replace(cost, seconds=seconds, seconds_at_most=2 * seconds)

    @staticmethod
    def _examples(training: Any, examples: float) -> float:
        """Examples that a training takes, each as often as it comes."""
        update = training.per_device_train_batch_size * training.gradient_accumulation_steps * training.gpus
        return training.max_steps * update if training.max_steps > 0 else examples * training.num_train_epochs

    def supervised(
        self, row: dict[str, str], examples: float, *, texts: int, passes: float, frozen: float = 0
    ) -> Cost:
        """A training on examples of so many texts, in so many passes over each, beside so many frozen
        networks."""
        training, student = self.training(row), self.config.students[row["student"]]
        gpus = training_gpus(student, training)
        batch = training.per_device_train_batch_size * training.gradient_accumulation_steps * training.gpus
        steps = self._examples(training, examples) / batch
        seconds = MODEL_LOADING + training_seconds(
            steps * batch * texts * self._example_tokens(row),
            steps,
            billions=billions_of(student),
            gpus=gpus,
            gpu=self.gpu,
            passes=passes,
        )
        memory = memory_of.training(
            memory_of.shape_of(billions_of(student)),
            self.gpu.memory,
            networks=1,
            frozen=frozen * 4e9 * billions_of(student),
            half=training.bf16 is not False,
            checkpointing=training.gradient_checkpointing,
            wanted=training.per_device_train_batch_size * texts * self._padded(row),
            least=texts * self._longest(row),
            head=memory_of.TILE * memory_of.TRL_LOGIT,
        )
        return self._trained(student, gpus, seconds, memory, networks=1 + frozen)

    def _ppo_memory(self, row: dict[str, str], training: PpoTraining) -> Memory:
        """PPO's networks, trained and frozen, beside its sampler."""
        billions = billions_of(self.config.students[row["student"]])
        half, sampled = training.bf16 is not False, training.samples_itself
        frozen = 2 - training.without_reward_model - training.adversarial + sampled
        longest, teacher = self._longest(row), self._teacher(row).in_training
        judging = 0.0
        if training.asks_teacher and not teacher.remote:
            judging = BYTES[teacher.dtype] * 1e9 * billions_of(teacher)
        return memory_of.training(
            memory_of.shape_of(billions),
            self.gpu.memory,
            networks=1 + training.has_critic + training.adversarial,
            frozen=(2 if half else 4) * 1e9 * billions * frozen + judging,
            half=half,
            checkpointing=training.gradient_checkpointing,
            wanted=max(longest, training.max_tokens_per_micro_batch or PASS),
            least=longest,
            head=memory_of.LOGITS * memory_of.PPO_LOGIT,
            shards=training.gpus if training.fsdp else 1,
            engine=0 if sampled else training.vllm_gpu_memory_utilization * self.gpu.memory,
        )

    def _padded(self, row: dict[str, str]) -> float:
        """Tokens that an example has in a batch, which is padded to its longest."""
        dataset = self.config.datasets[row["dataset"]]
        return (
            prompt_size(dataset.prompt, dataset.shots) - PROMPT_TOKENS + ROLLOUT_LENGTH * dataset.max_tokens
        )

    def _longest(self, row: dict[str, str]) -> float:
        """Tokens of the longest prompt and completion together."""
        dataset = self.config.datasets[row["dataset"]]
        return prompt_size(dataset.prompt, dataset.shots) + dataset.max_tokens

    def _trained(self, student: Model, gpus: int, seconds: float, memory: Memory, *, networks: float) -> Cost:
        """A training beside which a node holds so many networks for each of its processes."""
        nodes = nodes_of(gpus, self.config.gpus_per_node)
        here = gpus // nodes
        return Cost(
            gpu=gpus,
            nodes=nodes,
            cpus=8 * here or 2,
            mem_mb=_memory(student, here) + int(networks * 2000 * billions_of(student) * here),
            seconds=seconds,
            seconds_at_most=2 * seconds,
            disk=4e9 * billions_of(student),
            memory=memory,
        )

    def _pairs(self, row: dict[str, str], reward: str) -> float:
        pairs = self.config.rewards[reward].pairs
        each = (pairs.max_student_pairs or 50) + (pairs.max_teacher_pairs or 50)
        return LABELLED * self.questions(row["dataset"], "train") * each

    def _example_tokens(self, row: dict[str, str]) -> float:
        return PROMPT_TOKENS + TYPICAL_LENGTH * self.config.datasets[row["dataset"]].max_tokens

    def questions(self, name: str, split: str) -> int:
        """Questions of a split of a data set."""
        dataset = self.config.datasets[name]
        if dataset.world:
            return getattr(dataset.world, split)
        rows = self._rows(dataset.queries)
        test = rows * dataset.test_fraction
        held_out = (rows - test) * dataset.validation_fraction
        return round({"test": test, "validation": held_out, "train": rows - test - held_out}[split])

    def _rows(self, path: Path | None) -> int:
        """Rows of a file, or of what will be fetched into it."""
        assert path is not None, "questions that are neither the world's nor another data set's lie in a file"
        source = self.config.downloads.get(path.name)
        known = (source.rows or PUBLISHED.get(source.repo, {}).get(source.split)) if source else None
        if source and not self.counted:
            return known or USUAL_ROWS
        return rows_of(path, known or USUAL_ROWS)


def served(server: Server, completions: float, max_tokens: int, share: float, prompt: float) -> Cost:
    """Asking a server: one request a completion and the longest completions at most, within its limits and
    its budget."""
    most = [completions * prompt, completions * max_tokens]
    dollars = (most[0] * server.price_prompt + most[1] * server.price_completion) / 1e6

    def seconds(number: float, length: float) -> float:
        waits = [number * (LATENCY + TOKEN_SECONDS * length) / server.concurrency]
        waits += [60 * number / server.requests_per_minute] if server.requests_per_minute else []
        waits += (
            [60 * number * (prompt + length) / server.tokens_per_minute] if server.tokens_per_minute else []
        )
        return 20 + max(waits)

    return Cost(
        mem_mb=int(4000 + completions / 2000),
        seconds=seconds(completions * share, TYPICAL_LENGTH * max_tokens),
        seconds_at_most=2 * seconds(completions, max_tokens),
        tokens=int(min(most[1], server.max_total_tokens or math.inf)),
        disk=completions * (2 * max_tokens + 100),
        dollars=min(dollars, server.max_dollars or math.inf),
    )


def prompt_size(name: str, shots: Shots = Shots()) -> float:  # noqa: B008
    """Tokens of a long prompt: the template's text, at three characters each, and twice a usual question's,
    also for each worked example."""
    path = Path("config/prompts") / f"{name}.jinja"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    shown = shots.n if shots.file else 0
    return 2 * PROMPT_TOKENS * (1 + shown) + len(re.sub(r"\{%.*?%\}\n?", "", text)) / 3


def gpus_of(model: Model) -> int:
    """GPUs of a job that runs a `sized` model. Raises UserError where its size is not known here."""
    check_model(model, "the model")
    return model.gpus or 0


def billions_of(model: Model) -> float:
    """Parameters in 1e9 of a `sized` model that is no server's. Raises UserError where they are not known
    here."""
    check_model(model, "the model")
    assert model.billions is not None, "a server's model is neither loaded nor trained here"
    return model.billions


def training_gpus(student: Model, training) -> int:
    """GPUs of a job that trains a student: none where running it needs none."""
    return training.gpus if gpus_of(student) else 0


def _memory(student: Model, gpus: int) -> int:
    """MB on the node: a copy of the weights and their gradients for each process, and the data."""
    return int(16_000 + gpus * (8_000 + 6_000 * billions_of(student))) if gpus else 4000
