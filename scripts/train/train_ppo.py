"""Optimise the student against the reward model (Eq. 10-12; PPO, GRPO, RLOO): queries of D_R -> a policy.

Runs alone, or on several processes under `scripts.launch.launch -m scripts.train.train_ppo` or `torchrun -m
scripts.train.train_ppo`. Killed, it goes on from its last checkpoint; SIGTERM and SIGUSR1 make it save first
and exit with 128 + the signal.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.files import write_json, write_json_lines
from scripts.lib.data.tables import IDS, LABELS, QUERIES, SAMPLES, read, read_many
from scripts.lib.errors import UserError
from scripts.lib.evaluation.choice import choice
from scripts.lib.models.identity import identity, write_identity
from scripts.lib.models.prompts import PromptTemplate, thought_form
from scripts.lib.process.alarms import Alarms
from scripts.lib.process.checkpoint_dir import training_state
from scripts.lib.process.memory import affordable, frugal
from scripts.lib.process.metrics_log import check_reporters
from scripts.lib.process.stop import StopSignal, restartable
from scripts.lib.samples.draws import NOTHING
from scripts.lib.samples.step import Asking
from scripts.lib.tasks import task_of
from scripts.lib.training.examples import answers_to_learn, completion_ids, prompt_ids
from scripts.lib.training.export import card, named, publish, publish_candidates
from scripts.lib.training.flags import Distillation, TrainingRun
from scripts.lib.training.ppo.judge import Judge, JudgeRun
from scripts.lib.training.ppo.questions import Exam, Questions
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.setup import DISTRIBUTED, quiet, settled
from scripts.lib.training.validation import answered, answers_to, asks, check_judge, metric_of, tell

DEFAULTS = PpoTraining()
TOKENS = {"cuda": 8192, "cpu": 1024}
"""Padded tokens per pass of a process, where the settings leave them open."""


def distillation_queries(
    queries: pl.DataFrame, pairs: pl.DataFrame, labels: pl.DataFrame, unlabelled: bool, design: str
) -> pl.DataFrame:
    """D_R: the queries of the pairs, of all splits, with their pseudo-label; columns of QUERIES and `label`.

    With `unlabelled` also those that the vote gave no label (null); labelled queries without a pair, which
    the student answers always or never, stay out. The pairs' split holds out data from the reward model, not
    from the policy, which is chosen on other questions.
    """
    asked = queries.join(labels.select("query_id", "label"), on="query_id", how="left", maintain_order="left")
    known = pl.col("query_id").is_in(pairs["query_id"].unique().implode())
    if not queries.select(known.any()).item():
        raise UserError("no query of --pairs is in --queries; make the pairs from samples of these queries")
    chosen = asked.filter(known | pl.col("label").is_null() if unlabelled else known).sort("query_id")
    if design == "label" and chosen["label"].null_count():
        raise UserError(
            f"{chosen['label'].null_count()} queries have no pseudo-label; reward_design label needs one each"
        )
    return chosen


def questions(
    table: pl.DataFrame, targets: list[str | None], tokenizer, template: PromptTemplate
) -> Questions:
    """Render every row of a QUERIES table."""
    return Questions(prompt_ids(tokenizer, template, table), table["options"].to_list(), targets)


def model_card(
    settings: dict,
    algorithm: str,
    model: str,
    reward_model: str,
    inputs: list[Path],
    history: list[dict],
    best: int,
) -> str:
    """The model card of the result."""
    told = choice(history, "validation_", "iteration")
    key = f"validation_{told.metric if told else 'valid'}"
    judged = [
        {name: row[name] for name in ("iteration", "episodes")} | {key: f"{row[key]:.4f}"}
        for row in history
        if key in row
    ]
    instead = "none (the teacher judges)" if settings["scored_by"] == "teacher" else "none (label reward)"
    about = f"Reward model: {named(Path(reward_model)) if reward_model else instead}."
    if told:
        about += (
            f" The weights are those of iteration {best}, the first with the best {key} (0 is the policy it "
            f"started from); being the best of {len(judged)}, that number is optimistic. Chosen by {told}."
        )
    return card(f"Student after reward distillation ({algorithm})", about, model, inputs, settings, judged)


def learnt(
    run: TrainingRun, data: Distillation, design: str, tokenizer, template: PromptTemplate
) -> Questions:
    """The queries of D_R, with their pseudo-labels as targets."""
    chosen = distillation_queries(
        read(run.queries, QUERIES),
        read_many(data.pairs, IDS),
        read(data.labels, LABELS),
        data.unlabelled,
        design,
    )
    asked = replace(questions(chosen, chosen["label"].to_list(), tokenizer, template), queries=chosen)
    if not data.teacher_samples:
        return asked
    samples = read_many(data.teacher_samples, SAMPLES)
    return replace(asked, demonstrations=demonstrations(chosen["query_id"], samples, tokenizer))


def demonstrations(queries: pl.Series, samples: pl.DataFrame, tokenizer) -> list[list[list[int]]]:
    """The teacher's whole answers to each query, all that differ in their text, right or wrong (SAMPLES), as
    ids. Raises UserError for a query without one."""
    known = samples.filter(pl.col("query_id").is_in(queries.implode()))
    answers, _ = answers_to_learn(known, None, 0)
    ids = completion_ids(tokenizer, answers["completion"], answers["finish_reason"])
    found: dict[str, list[list[int]]] = {name: [] for name in queries}
    for at, name in enumerate(answers["query_id"]):
        found[name].append(ids[at])
    if missing := [name for name, each in found.items() if not each]:
        raise UserError(
            f"--teacher-samples have no whole answer to {len(missing)} queries, first {missing[0]}; "
            "sample them with a larger max_tokens"
        )
    return list(found.values())


def judge_of(
    training: PpoTraining, run: TrainingRun, data: Distillation, asked: JudgeRun, queries: pl.DataFrame
) -> Judge | None:
    """The judge of the responses to `queries` (QUERIES); None where the teacher gives no r."""
    if data.judge_prompt is None:
        return None
    settings = asked.settings(data.judge_prompt)
    asking = Asking(asked.store, run.metrics, asked.model, asked.revision, settings, asked.seed, silent=True)
    return Judge(asking, asked.judging, asked.combine, queries, training.max_judgements)


def held_out(data: Distillation, tokenizer, template: PromptTemplate) -> Exam:
    """The answers that choose the policy, with the right ones as targets."""
    table = answered(data)
    asked = asks(table, answers_to(data, table.height))
    rendered = questions(asked, asked["answer"].to_list(), tokenizer, template)
    return Exam(
        rendered.prompts,
        rendered.options,
        rendered.targets,
        temperatures=asked["temperature"].to_list(),
        seeds=asked["seed"].to_list(),
        metric=metric_of(data),
        n=table.height,
    )


def started(training: PpoTraining):
    """The accelerator of this process and its fellows, for a `settled` training; transformers keeps quiet."""
    import torch
    import transformers
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    cuda = torch.cuda.is_available()
    shared = DistributedDataParallelKwargs(**DISTRIBUTED)
    return Accelerator(
        mixed_precision="bf16" if training.bf16 else "no", cpu=not cuda, kwargs_handlers=[shared]
    )


@contextmanager
def unfinished(
    run: TrainingRun, data: Distillation, training: PpoTraining, context, ledger: Path | None
) -> Iterator[tuple[Path | None, PpoTraining]]:
    """The state of a training, for all its processes: its folder, which the first one keys (None where it was
    made before and its outputs lie there), and the settings with the tokens per pass that memory allows."""
    from accelerate.utils import broadcast_object_list

    accelerator = context.accelerator
    first = accelerator.is_main_process
    shape = shown(run, data, training, accelerator) | run.told()
    shape |= {"task": task_of(data.task).name, "rollout": type(context.rollout).__name__}
    if first:
        shape["model"] = identity(run.model, run.revision)
        shape["reward_model"] = identity(data.reward_model) if data.reward_model else None
        shape["judge"] = context.judge.shape() if context.judge else None
    inputs = [run.queries, *data.files, run.prompt]
    state: AbstractContextManager = nullcontext()
    if first:
        outputs = [*run.outputs, *([ledger] if ledger else [])]
        state = training_state(run.state, "ppo", shape, inputs, outputs, run.code)
    with state as folder:
        tokens = training.max_tokens_per_micro_batch or TOKENS[accelerator.device.type]
        tokens = affordable(folder, tokens) if folder else 0
        folder, tokens = broadcast_object_list([folder, tokens])
        yield folder, replace(training, max_tokens_per_micro_batch=tokens)
        accelerator.wait_for_everyone()


def shown(run: TrainingRun, data: Distillation, training: PpoTraining, accelerator) -> dict:
    """The settings that shape the policy, as its card shows them."""
    stop = list(run.template(run.prompt, data.stop).stops)
    said = {"unlabelled": data.unlabelled, "max_tokens": data.max_tokens, "stop": stop, "seed": run.seed}
    return training.shape(accelerator.num_processes) | said


def refine(
    training: PpoTraining, context, folder: Path, stop: StopSignal, run: TrainingRun, alarms: Alarms
) -> Path:
    """Train; the best policy's folder, inside `folder`. Raises Restart where memory ran out and smaller
    passes may do."""
    from scripts.lib.training.ppo.loop import train

    longest = max(map(len, context.train.prompts + context.validation.prompts)) + context.max_tokens
    tokens = training.max_tokens_per_micro_batch
    unit = "tokens per process and pass (max_tokens_per_micro_batch)"
    mend = "set gradient_checkpointing, fsdp on several GPUs, or a lower vllm_gpu_memory_utilization"
    with frugal(folder, tokens, longest, unit, mend):
        return train(training, context, folder, stop, run.report_to, run.logging_dir, alarms)


def export(
    run: TrainingRun, data: Distillation, training: PpoTraining, settings: dict, folder: Path, best: Path
) -> None:
    """Write the best policy with its card and identity, or all candidates for a judge; and the metrics."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    iteration = int(best.name.partition("=")[2])
    if told := choice(rows, "validation_", "iteration"):
        print(f"chosen: iteration {told.step}, by {told}", flush=True)
    inputs = [run.queries, *data.files, run.prompt]
    text = model_card(settings, training.algorithm, run.model, data.reward_model, inputs, rows, iteration)
    if run.identity is None:
        publish_candidates(sorted(folder.glob("best=*")), run.output, text)
    else:
        publish(best, run.output, text)
        write_identity(run.output, run.identity)
    write_json_lines(rows, run.metrics)


def leave(accelerator) -> None:
    """End the processes: of several, torch's threads now and then abort one that ends its own way,
    when all is written."""
    accelerator.end_training()
    if accelerator.num_processes > 1:
        sys.stdout.flush()
        os._exit(0)


def main(
    run: OmitArgPrefixes[TrainingRun],
    data: OmitArgPrefixes[Distillation],
    training: OmitArgPrefixes[PpoTraining] = DEFAULTS,
    alarms: Alarms = Alarms(),  # noqa: B008
    judge: JudgeRun = JudgeRun(),  # noqa: B008
    ledger: Path | None = None,
) -> None:
    """Refine the student under the augmented reward; the policy of the best validation is kept.

    Args:
        run: the policy to start from and to stay close to, the student after data distillation; files.
        data: what is learnt on and what chooses the policy; files.
        training: settings.
        alarms: when the log says that something goes wrong, or the training ends for it.
        judge: the teacher, where it gives r (scored_by teacher).
        ledger: what its judgements took, as JSON.
    """
    quiet()
    check_reporters(run.report_to)
    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.ppo.setup import build, check

    training = settled(training, run.model, run.revision)
    stop, accelerator = StopSignal(), started(training)
    check(training, data, accelerator.num_processes)
    tokenizer, template = load_tokenizer(run.model, run.revision), run.template(run.prompt, data.stop)
    train = learnt(run, data, training.reward_design, tokenizer, template)
    check_judge(run, data)
    validation = held_out(data, tokenizer, template)
    if accelerator.is_main_process:
        tell(validation.metric, validation.n)
    stops, form = template.stops, thought_form(tokenizer, template)
    teacher = judge_of(training, run, data, judge, train.queries)
    context = build(training, run, data, train, validation, tokenizer, accelerator, stops, form, teacher)
    with unfinished(run, data, training, context, ledger) as (folder, affordable_training):
        if folder:
            best = refine(affordable_training, context, folder, stop, run, alarms)
            if accelerator.is_main_process:
                export(run, data, training, shown(run, data, training, accelerator), folder, best)
                if ledger:
                    write_json(teacher.ledger() if teacher else NOTHING, ledger)
    leave(accelerator)


if __name__ == "__main__":
    restartable(main)
