"""Accuracy of a model on validation questions, by greedy generation."""

import sys
from collections.abc import Callable

import polars as pl

from scripts.lib.data.tables import GOLDS, QUERIES, read
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import as_written, read_answers, read_golds
from scripts.lib.training.examples import prompt_ids
from scripts.lib.training.flags import Validation


def measure_accuracy(
    flags: Validation, at_a_time: int, tokenizer, template: PromptTemplate, trainer
) -> Callable[[object], dict[str, float]]:
    """A function of a model: `accuracy` against the golds and `unparsed_rate`, both over all questions.

    The trainer's processes share the questions, and answer `at_a_time` of them side by side.
    Where there are no golds at all (open-ended tasks, questions without answers) every response counts that
    states an answer, or is valid. Raises UserError when only some have a gold.
    """
    import torch

    from scripts.lib.models.generation import Batch, generate
    from scripts.lib.models.loading import end_token_ids

    golds, task, accelerator = flags.validation_golds, flags.task, trainer.accelerator
    references = read(golds, GOLDS)
    table = read(flags.validation, QUERIES).join(references, on="query_id", how="left", maintain_order="left")
    without = references.is_empty() and not table.is_empty()
    if without and not task_of(task).judged:
        print(
            f"{golds} holds no answers: checkpoints are chosen by the share of responses that state one",
            file=sys.stderr,
        )
    if not without and (table.is_empty() or table["answer"].null_count()):
        raise UserError(
            f"{golds} lacks answers to questions of {flags.validation}, or there are none; "
            "make both with one step"
        )
    mine = table.gather_every(accelerator.num_processes, accelerator.process_index)
    right = pl.Series([], dtype=pl.String) if without else read_golds(task, mine["answer"])
    prompts = prompt_ids(tokenizer, template, mine)
    ends = end_token_ids(tokenizer, trainer.model.generation_config)
    batch = Batch(at_a_time)

    def measure(model) -> dict[str, float]:
        ids = generate(
            model,
            prompts,
            [0] * len(prompts),
            temperature=0.0,
            max_tokens=flags.max_tokens,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
            batch=batch,
        )
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        reasons = pl.Series(["stop" if row and row[-1] in ends else "length" for row in ids], dtype=pl.String)
        found = read_answers(task, pl.Series(texts, dtype=pl.String), reasons, mine["options"])["answer"]
        unread = found.null_count()
        correct = len(found) - unread if without else (as_written(task, found, right) == right).sum()
        counts = torch.tensor([correct, unread], device=accelerator.device)
        correct, unread = accelerator.reduce(counts).tolist()
        return {"accuracy": correct / table.height, "unparsed_rate": unread / table.height}

    return measure
