"""Optimise the student against the reward model with PPO (Eq. 10-12): queries of D_R -> a policy folder.

Runs alone, or on several processes under `accelerate launch -m scripts.train_ppo` or `torchrun -m scripts.train_ppo`.
Killed, it goes on from its last checkpoint; SIGTERM and SIGUSR1 make it save first and exit with 128 + the signal.
"""

import json
import os
import shutil
import signal
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from scripts.lib.answers import canonical_gold
from scripts.lib.errors import UserError, cli
from scripts.lib.prompts import PromptTemplate, render_ids
from scripts.lib.state import training_state
from scripts.lib.tables import GOLDS, IDS, LABELS, QUERIES, read
from scripts.lib.training.export import whole_folder

if TYPE_CHECKING:
    from scripts.lib.ppo.settings import Questions


INERT = ("save_every", "max_tokens_per_micro_batch")
"""Settings that shape the run, not its result."""


def distillation_queries(
    queries: pl.DataFrame, pairs: pl.DataFrame, labels: pl.DataFrame, design: str
) -> pl.DataFrame:
    """D_R: the queries of the pairs, of both splits, with their pseudo-label; columns of QUERIES and `label`.

    The pairs' split holds out data from the reward model, not from the policy, which is chosen on other questions.
    """
    chosen = queries.join(pairs.select("query_id").unique(), on="query_id", how="semi").sort("query_id")
    if chosen.is_empty():
        raise UserError("no query of --pairs is in --queries; make the pairs from samples of these queries")
    chosen = chosen.join(labels.select("query_id", "label"), on="query_id", how="left", maintain_order="left")
    if design == "label" and chosen["label"].null_count():
        raise UserError(
            f"{chosen['label'].null_count()} queries of --pairs have no pseudo-label; reward design label needs one each"
        )
    return chosen


def questions(
    table: pl.DataFrame, targets: list[str | None], tokenizer, template: PromptTemplate
) -> "Questions":
    """Render every row of a QUERIES table."""
    from scripts.lib.ppo.settings import Questions

    options = table["options"].to_list()
    prompts = [
        render_ids(tokenizer, template, question, choices)
        for question, choices in zip(table["question"].to_list(), options, strict=True)
    ]
    return Questions(prompts, options, targets)


def card(settings: dict, model: str, reward_model: str, history: list[dict], best: int) -> str:
    """The model card of the result."""
    key = next(name for name in ("validation_accuracy", "validation_reward") if name in history[0])
    judged = "\n".join(
        f"| {row['iteration']} | {row['episodes']} | {row[key]:.4f} |" for row in history if key in row
    )
    parameters = "\n".join(f"- {name}: {value}" for name, value in settings.items())
    return (
        f"# Student after reward distillation (PPO)\n\n"
        f"Policy: {Path(model).name}. Reward model: {Path(reward_model).name if reward_model else 'none (label reward)'}.\n"
        f"The weights are those of iteration {best}, the first with the best {key} (0 is the policy PPO started from).\n"
        f"That number is the best of several and thus optimistic; quote a test set's.\n\n"
        f"| iteration | episodes | {key} |\n|---|---|---|\n{judged}\n\n## Settings\n\n{parameters}\n"
    )


def publish(best: Path, output: Path, text: str) -> None:
    """Copy the best policy to the output folder, whole or not at all."""
    with whole_folder(output) as draft:
        shutil.copytree(best, draft, dirs_exist_ok=True)
        (draft / "README.md").write_text(text)


def main(
    model: str,
    queries: Path,
    labels: Path,
    pairs: Path,
    prompt: Path,
    task: str,
    validation: Path,
    output: Path,
    metrics: Path,
    state: Path,
    revision: str | None = None,
    reward_model: str = "",
    validation_golds: Path | None = None,
    chat: bool = True,
    reward_design: Literal["ours", "minus", "none", "label"] = "ours",
    total_episodes: int = 200_000,
    batch_size: int = 40,
    num_ppo_epochs: int = 4,
    num_mini_batches: int = 1,
    learning_rate: float = 1e-5,
    value_learning_rate: float = 1e-5,
    lr_scheduler_type: Literal["linear", "constant"] = "linear",
    max_grad_norm: float | None = 1.0,
    kl_coef: float = 0.2,
    kl_against: Literal["ref", "old"] = "ref",
    kl_in: Literal["reward", "loss"] = "reward",
    kl_estimator: Literal["k1", "k3"] = "k1",
    vf_coef: float = 0.1,
    cliprange: float = 0.2,
    cliprange_value: float = 0.2,
    gamma: float = 1.0,
    lam: float = 0.95,
    temperature: float = 0.7,
    max_tokens: int = 512,
    value_warmup_iterations: int = 0,
    eval_every: int = 50,
    patience: int = 5,
    save_every: int = 50,
    seed: int = 0,
    rollout: Literal["auto", "transformers", "vllm"] = "auto",
    vllm_gpu_memory_utilization: float = 0.35,
    mixed_precision: Literal["auto", "no", "bf16"] = "auto",
    gradient_checkpointing: bool = False,
    fsdp: bool = False,
    max_tokens_per_micro_batch: int = 0,
) -> None:
    """Defaults are the paper's for a 1B student (App. C.2, Table 8), and TRL's PPOConfig where it is silent.

    Args:
        model: the policy to start from and to stay close to, the student after data distillation; a folder or hub id.
        revision: of a hub model.
        queries: QUERIES table that holds the questions of the pairs.
        labels: LABELS table, the pseudo-labels y*.
        pairs: PAIRS table; its queries are D_R.
        prompt: prompt template file.
        task: how answers are read.
        validation: QUERIES table on which the policy is chosen.
        output: folder of the best policy.
        metrics: metrics.jsonl, one line an iteration; line 0 is the initial policy.
        state: folder for checkpoints, outside the outputs.
        reward_model: folder of the reward model, also the value network's start; none with --reward-design label.
        validation_golds: GOLDS table; without it policies are chosen by mean reward (Eq. 11).
        chat: put prompts through the chat template.
        reward_design: ours = Eq. 10; App. E.5: minus (r - 1 if wrong), none (no check); label = 1/0/-5, no reward model.
        total_episodes: responses to sample in all, the value warm-up included.
        batch_size: episodes an iteration, over all processes.
        num_ppo_epochs: passes over each batch.
        num_mini_batches: optimizer steps a pass.
        learning_rate: of the policy, AdamW.
        value_learning_rate: of the value network.
        lr_scheduler_type: linear to 0 over all iterations, or constant.
        max_grad_norm: gradient clip of each network by itself; None = no clip, as TRL's PPO.
        kl_coef: weight of the KL penalty.
        kl_against: ref = the initial policy; old = the policy that sampled the batch (Eq. 12 to the letter, with --kl-in loss).
        kl_in: reward = per token inside the reward, as TRL; loss = a term of the loss.
        kl_estimator: k1 or k3, per token.
        vf_coef: weight of the value loss; with its own optimizer nearly without effect.
        cliprange: epsilon of Eq. 12.
        cliprange_value: how far values may move from the old ones.
        gamma: discount.
        lam: lambda of GAE.
        temperature: of the rollouts and of all log-probabilities.
        max_tokens: longest response.
        value_warmup_iterations: first iterations that train the value network alone.
        eval_every: iterations between validations.
        patience: validations without a new best before stopping; 0 = never.
        save_every: iterations between checkpoints; a signal saves too.
        seed: of the order of queries, of mini-batches and of every response.
        rollout: who samples; auto = vLLM on CUDA, transformers elsewhere.
        vllm_gpu_memory_utilization: share of the GPU's memory for vLLM.
        mixed_precision: auto = bf16 on CUDA, fp32 elsewhere.
        gradient_checkpointing: recompute activations, for large students.
        fsdp: shard the trained networks over the processes (FSDP2), for 3B students.
        max_tokens_per_micro_batch: padded tokens a process handles in one pass, for memory and speed, not the result; 0 = 8192 on
            CUDA, 1024 on a CPU, whose caches they then fit.
    """
    arguments = dict(locals())
    import torch
    import transformers
    from accelerate import Accelerator
    from accelerate.utils import broadcast_object_list

    from scripts.lib.models import load_tokenizer
    from scripts.lib.ppo.loop import Stopped, train
    from scripts.lib.ppo.settings import Settings
    from scripts.lib.ppo.setup import build, check

    arguments["max_tokens_per_micro_batch"] = max_tokens_per_micro_batch or (
        8192 if torch.cuda.is_available() else 1024
    )
    settings = Settings(**{name: arguments[name] for name in Settings.__dataclass_fields__})
    precision = (
        ("bf16" if torch.cuda.is_available() else "no") if mixed_precision == "auto" else mixed_precision
    )
    accelerator = Accelerator(mixed_precision=precision)
    check(settings, reward_model, validation_golds is not None, accelerator.num_processes)
    stop = Stop()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokenizer, template = load_tokenizer(model, revision), PromptTemplate(prompt, chat)
    chosen = distillation_queries(
        read(queries, QUERIES), read(pairs, IDS), read(labels, LABELS), reward_design
    )
    held_out = read(validation, QUERIES)
    golds = dict(read(validation_golds, GOLDS).iter_rows()) if validation_golds else {}
    answers = [
        canonical_gold(task, golds[name]) if name in golds else None
        for name in held_out["query_id"].to_list()
    ]
    if golds and None in answers:
        raise UserError(
            f"{validation_golds} lacks answers to {answers.count(None)} questions of {validation}"
        )
    context = build(
        settings,
        model,
        revision,
        reward_model,
        task,
        questions(chosen, chosen["label"].to_list(), tokenizer, template),
        questions(held_out, answers, tokenizer, template),
        tokenizer,
        accelerator,
        rollout,
        gradient_checkpointing,
        fsdp,
        vllm_gpu_memory_utilization,
    )
    folders = [Path(path) for path in (model, reward_model) if path and Path(path).is_dir()]
    inputs = [
        queries,
        labels,
        pairs,
        prompt,
        validation,
        *([validation_golds] if validation_golds else []),
        *folders,
    ]
    shown = {name: value for name, value in asdict(settings).items() if name not in INERT}
    shaping = shown | {"task": task, "chat": chat, "fsdp": fsdp, "precision": precision}
    shaping |= {
        "hub": None if Path(model).is_dir() else [model, revision],
        "rollout": type(context.rollout).__name__,
    }
    main_process = accelerator.is_main_process
    with training_state(state, "ppo", shaping, inputs) if main_process else nullcontext() as folder:
        folder = broadcast_object_list([folder])[0]
        try:
            best = train(settings, context, folder, stop)
        except Stopped:
            raise SystemExit(128 + stop.signal) from None
        if main_process:
            text = (folder / "metrics.jsonl").read_text()
            history = [json.loads(line) for line in text.splitlines()]
            iteration = int(best.name.partition("=")[2])
            publish(best, output, card(shown, model, reward_model, history, iteration))
            metrics.parent.mkdir(parents=True, exist_ok=True)
            draft = metrics.with_name(f".{metrics.name}.{os.getpid()}.tmp")
            draft.write_text(text)
            draft.replace(metrics)
        accelerator.wait_for_everyone()
    accelerator.end_training()
    if (
        accelerator.num_processes > 1
    ):  # all is written; torch's threads now and then abort a process that ends its own way
        sys.stdout.flush()
        os._exit(0)


class Stop:
    """Remembers SIGTERM and SIGUSR1; true once one came."""

    def __init__(self):
        self.signal = signal.SIGTERM
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._remember)

    def _remember(self, number, frame) -> None:
        self.signal, self.asked = number, True

    def __call__(self) -> bool:
        return self.asked


if __name__ == "__main__":
    cli(main)
