"""Optimise the student against the reward model with PPO (Eq. 10-12): queries of D_R -> a policy folder.

Runs alone, or on several processes under `scripts.launch.launch -m scripts.train.train_ppo` or `torchrun -m scripts.train.train_ppo`. Killed, it goes on from its last checkpoint; SIGTERM and SIGUSR1 make it save first and exit with 128 + the signal.
"""

import json
import os
import shutil
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import tyro

from scripts.lib.data.files import whole_folder, write_json_lines, write_text
from scripts.lib.data.tables import GOLDS, IDS, LABELS, QUERIES, read
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate, render_ids
from scripts.lib.process.checkpoint_dir import training_state
from scripts.lib.process.memory import affordable, frugal
from scripts.lib.process.metrics_log import check_reporters
from scripts.lib.process.stop import StopSignal, restartable
from scripts.lib.tasks import task_of
from scripts.lib.training.export import card, named, write_identity
from scripts.lib.training.flags import Run
from scripts.lib.training.ppo.settings import Machine, Questions, Settings
from scripts.lib.training.setup import quiet

PAPER = Settings()
HERE = Machine()
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
) -> Questions:
    """Render every row of a QUERIES table."""
    options = table["options"].to_list()
    prompts = [
        render_ids(tokenizer, template, question, choices)
        for question, choices in zip(table["question"].to_list(), options, strict=True)
    ]
    return Questions(prompts, options, targets)


def model_card(
    settings: dict, model: str, reward_model: str, inputs: list[Path], history: list[dict], best: int
) -> str:
    """The model card of the result."""
    key = next(name for name in ("validation_accuracy", "validation_reward") if name in history[0])
    judged = [
        {name: row[name] for name in ("iteration", "episodes")} | {key: f"{row[key]:.4f}"}
        for row in history
        if key in row
    ]
    about = (
        f"Reward model: {named(Path(reward_model)) if reward_model else 'none (label reward)'}. The weights are those of "
        f"iteration {best}, the first with the best {key} (0 is the policy PPO started from); being the best of "
        f"{len(judged)}, that number is optimistic."
    )
    return card("Student after reward distillation (PPO)", about, model, inputs, settings, judged)


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
def main(
    run: Run,
    labels: Path,
    pairs: Path,
    task: str,
    validation: Path,
    reward_model: str = "",
    validation_golds: Path | None = None,
    settings: Settings = PAPER,
    machine: Machine = HERE,
) -> None:
    """Refine the student under the augmented reward; the policy of the best validation is kept.

    Args:
        run: the policy to start from and to stay close to, the student after data distillation; files.
        labels: LABELS table, the pseudo-labels y*.
        pairs: PAIRS table; its queries are D_R.
        task: how answers are read.
        validation: QUERIES table on which the policy is chosen.
        reward_model: folder of the reward model, also the value network's start; none with --reward-design label.
        validation_golds: GOLDS table; without it policies are chosen by mean reward (Eq. 11).
        settings: hyper-parameters.
        machine: how it runs.
    """
    quiet()
    check_reporters(run.report_to)
    import torch
    import transformers
    from accelerate import Accelerator
    from accelerate.utils import broadcast_object_list

    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.ppo.loop import train
    from scripts.lib.training.ppo.setup import build, check

    stop, cuda = StopSignal(), torch.cuda.is_available()
    precision = {"auto": "bf16" if cuda else "no"}.get(machine.mixed_precision, machine.mixed_precision)
    accelerator = Accelerator(mixed_precision=precision, cpu=not cuda)
    main_process = accelerator.is_main_process
    check(settings, reward_model, validation_golds is not None, accelerator.num_processes)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokenizer, template = load_tokenizer(run.model, run.revision), PromptTemplate(run.prompt, run.chat)
    chosen = distillation_queries(
        read(run.queries, QUERIES), read(pairs, IDS), read(labels, LABELS), settings.reward_design
    )
    held_out = read(validation, QUERIES)
    golds = dict(read(validation_golds, GOLDS).iter_rows()) if validation_golds else {}
    answers = [
        task_of(task).gold(golds[name]) if name in golds else None for name in held_out["query_id"].to_list()
    ]
    if golds and None in answers:
        raise UserError(
            f"{validation_golds} lacks answers to {answers.count(None)} questions of {validation}"
        )
    learnt = questions(chosen, chosen["label"].to_list(), tokenizer, template)
    asked = questions(held_out, answers, tokenizer, template)
    context = build(
        settings, run.model, run.revision, reward_model, task, learnt, asked, tokenizer, accelerator, machine
    )
    inputs = [
        run.queries,
        labels,
        pairs,
        run.prompt,
        validation,
        *([validation_golds] if validation_golds else []),
    ]
    inputs += [Path(path) for path in (run.model, reward_model) if path and Path(path).is_dir()]
    shown = {name: value for name, value in asdict(settings).items() if name not in INERT}
    shaping = shown | {"task": task, "chat": run.chat, "fsdp": machine.fsdp, "precision": precision}
    shaping |= {
        "hub": None if Path(run.model).is_dir() else [run.model, run.revision],
        "rollout": type(context.rollout).__name__,
    }
    with training_state(run.state, "ppo", shaping, inputs) if main_process else nullcontext() as folder:
        tokens = settings.max_tokens_per_micro_batch or (8192 if cuda else 1024)
        tokens = affordable(folder, tokens) if main_process else 0
        folder, tokens = broadcast_object_list([folder, tokens])
        settings = replace(settings, max_tokens_per_micro_batch=tokens)
        longest = max(map(len, learnt.prompts + asked.prompts)) + settings.max_tokens
        mend = "set gradient_checkpointing, fsdp on several GPUs, or a lower vllm_gpu_memory_utilization"
        with frugal(folder, tokens, longest, "tokens a process and pass (max_tokens_per_micro_batch)", mend):
            best = train(settings, context, folder, stop, run.report_to, run.logging_dir)
        if main_process:
            rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
            iteration = int(best.name.partition("=")[2])
            data = [path for path in inputs if not path.is_dir()]
            publish(best, run.output, model_card(shown, run.model, reward_model, data, rows, iteration))
            write_identity(run.output, run.identity)
            write_json_lines(rows, run.metrics)
        accelerator.wait_for_everyone()
    accelerator.end_training()
    if (
        accelerator.num_processes > 1
    ):  # all is written; torch's threads now and then abort a process that ends its own way
        sys.stdout.flush()
        os._exit(0)


def publish(best: Path, output: Path, text: str) -> None:
    """Copy the best policy to the output folder, whole or not at all."""
    with whole_folder(output) as draft:
        shutil.copytree(best, draft, dirs_exist_ok=True)
        write_text(text, draft / "README.md")


if __name__ == "__main__":
    restartable(main)
