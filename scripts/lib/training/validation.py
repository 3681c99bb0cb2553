"""What chooses checkpoints: the share of right answers to validation questions."""

import sys
from collections.abc import Callable

import numpy as np
import polars as pl

from scripts.lib.data.hashing import keys
from scripts.lib.data.tables import GOLDS, LABELS, QUERIES, read
from scripts.lib.errors import UserError
from scripts.lib.evaluation.choice import BY, answers_each, asked, warning
from scripts.lib.models.prompts import PromptTemplate, thought_form
from scripts.lib.models.thoughts import split_thought
from scripts.lib.tasks.bulk import as_written, read_answers, read_golds
from scripts.lib.tasks.open import VALID
from scripts.lib.training.examples import prompt_ids
from scripts.lib.training.flags import TrainingRun, Validation
from scripts.lib.training.settings.base import CANDIDATES

TEMPERATURE = 0.7
"""Of the answers that are drawn beside the greedy ones: that of the student's samples (Eq. 4)."""


def metric_of(flags: Validation) -> str:
    """What the share of right answers is: `accuracy` against golds, `agreement` with the teacher's votes, or
    `valid` responses where a judge has to choose."""
    return "accuracy" if flags.validation_golds else "agreement" if flags.validation_labels else "valid"


def check_judge(run: TrainingRun, flags: Validation) -> None:
    """Raise UserError unless a result has an identity where it is chosen, and none where candidates go to a
    judge."""
    if (metric_of(flags) == "valid") != (run.identity is None):
        raise UserError(
            "--identity goes with --validation-golds or --validation-labels; without the three "
            "candidates are kept for a judge to choose"
        )


def answers_to(flags: Validation, questions: int) -> int:
    """Answers to each question: one where a judge chooses, who is shown others."""
    return 1 if metric_of(flags) == "valid" else answers_each(questions)


def kept(number: int, total: int) -> bool:
    """Whether evaluation `number` (from 1) of `total` is a candidate for a judge: of more than CANDIDATES so
    many, evenly spread, the last among them."""
    return number * CANDIDATES // total > (number - 1) * CANDIDATES // total


def answered(flags: Validation) -> pl.DataFrame:
    """The validation questions that choose: QUERIES and `answer`, canonical, the one that is right.

    Of golds every question has one, of votes those without a label are left out. Raises UserError where a
    gold is missing, or none is left.
    """
    asked = read(flags.validation, QUERIES)
    without = f"{flags.validation} has no questions; raise validation_fraction"
    if flags.validation_labels:
        labels = read(flags.validation_labels, LABELS).select("query_id", answer="label").drop_nulls()
        table = asked.join(labels, on="query_id", maintain_order="left")
        mend = "let more questions validate, or the vote agree more easily"
        without = f"{flags.validation_labels} labels no question of {flags.validation}; {mend}"
    elif flags.validation_golds:
        golds = read(flags.validation_golds, GOLDS)
        table = asked.join(golds, on="query_id", how="left", maintain_order="left")
        lost = table["answer"].null_count()
        if lost:
            raise UserError(
                f"{flags.validation_golds} lacks answers to {lost} questions of {flags.validation}; "
                "make both with one step"
            )
        table = table.with_columns(read_golds(flags.task, table["answer"]).alias("answer"))
    else:
        table = asked.with_columns(answer=pl.lit(VALID))
    if table.is_empty():
        raise UserError(without)
    return table


def asks(table: pl.DataFrame, each: int) -> pl.DataFrame:
    """A row for each of `each` answers to a question: the table's columns, `temperature` and `seed`.

    First the greedy answers, then the draws. A draw's seed is its question's and its own, the same for every
    checkpoint: they share their luck.
    """
    names = table["query_id"]
    return pl.concat(
        table.with_columns(
            temperature=pl.lit(TEMPERATURE if draw else 0.0),
            seed=pl.Series(keys(names, draw, "validation") >> np.uint64(1), dtype=pl.Int64),
        )
        for draw in range(each)
    )


def tell(metric: str, questions: int) -> None:
    """Say what chooses, and how little few questions can tell."""
    if metric == "valid":
        print(
            "checkpoints are kept for a judge, who chooses by the answers to validation questions",
            file=sys.stderr,
        )
    else:
        print(f"checkpoints are chosen by {BY[metric]} on {asked(questions)}", file=sys.stderr)
    if few := warning(questions):
        print(f"warning: {few}", file=sys.stderr)


def measure_answers(
    flags: Validation, at_a_time: int, tokenizer, template: PromptTemplate, trainer
) -> Callable[[object], dict[str, float]]:
    """A function of a model: the share of right answers under the name that `metric_of` gives it, `n`, the
    questions behind it, and `unparsed_rate`.

    The trainer's processes share the questions, and answer `at_a_time` of them side by side.
    """
    import torch

    from scripts.lib.models.endings import Endings
    from scripts.lib.models.generation import Batch, generate
    from scripts.lib.models.loading import end_token_ids

    task, metric, accelerator = flags.task, metric_of(flags), trainer.accelerator
    table = answered(flags)
    wanted = asks(table, answers_to(flags, table.height))
    mine = wanted.gather_every(accelerator.num_processes, accelerator.process_index)
    prompts, opened = prompt_ids(tokenizer, template, mine), thought_form(tokenizer, template).opened
    ends = end_token_ids(tokenizer, trainer.model.generation_config)
    endings = Endings(tokenizer, ends, template.stops)
    batch = Batch(at_a_time)
    if accelerator.is_main_process:
        tell(metric, table.height)

    def measure(model) -> dict[str, float]:
        ids = generate(
            model,
            prompts,
            mine["seed"].to_list(),
            temperature=mine["temperature"].to_list(),
            max_tokens=flags.max_tokens,
            eos_token_id=ends,
            batch=batch,
            stop=endings.said if endings.stop else None,
        )
        ended = endings.read(ids)
        texts = pl.Series([split_thought(each.text, opened).reply for each in ended], dtype=pl.String)
        reasons = pl.Series([each.finish_reason for each in ended], dtype=pl.String)
        found = read_answers(task, texts, reasons, mine["options"])["answer"]
        right = (as_written(task, found, mine["answer"]) == mine["answer"]).sum()
        counts = torch.tensor([right, found.null_count()], device=accelerator.device)
        right, unread = accelerator.reduce(counts).tolist()
        share, unparsed = right / wanted.height, unread / wanted.height
        return {metric: share, "n": table.height, "unparsed_rate": unparsed}

    return measure
