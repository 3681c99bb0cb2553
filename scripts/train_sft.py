"""Fine-tune the student on the teacher's answers (Eq. 3): queries, samples -> a student folder."""

import json
from pathlib import Path
from typing import Literal

from scripts.lib import tables
from scripts.lib.errors import UserError, cli
from scripts.lib.prompts import PromptTemplate
from scripts.lib.training.examples import (
    Ragged,
    answers_to_learn,
    completion_ids,
    index,
    prompt_ids,
)
from scripts.lib.training.setup import quiet, shaping, trainer_arguments


def dataset(prompts: list[list[int]], query: list[int], completions: Ragged, max_length: int | None):
    """A `datasets.Dataset` of input_ids and labels (-100 on the prompt), and how many rows were too long for it."""
    import pyarrow as pa
    from datasets import Dataset

    ids, labels, dropped = [], [], 0
    for row, at in enumerate(query):
        prompt, completion = prompts[at], completions[row]
        if max_length and len(prompt) + len(completion) > max_length:
            dropped += 1
            continue
        ids.append(prompt + completion)
        labels.append([-100] * len(prompt) + completion)
    if not ids:
        raise UserError(f"every example is longer than --max-length {max_length}; raise it")
    kind = pa.list_(pa.int32())
    return Dataset(pa.table({"input_ids": pa.array(ids, kind), "labels": pa.array(labels, kind)})), dropped


def main(
    model: str,
    queries: Path,
    samples: list[Path],
    prompt: Path,
    task: str,
    validation: Path,
    validation_golds: Path,
    output: Path,
    metrics: Path,
    state: Path,
    revision: str | None = None,
    grades: Path | None = None,
    answers: Literal["all", "good"] = "good",
    answers_per_query: int = 10,
    chat: bool = True,
    max_tokens: int = 512,
    max_length: int | None = None,
    num_train_epochs: float = 4.0,
    max_steps: int = -1,
    per_device_train_batch_size: int = 21,
    gradient_accumulation_steps: int = 1,
    learning_rate: float = 5e-6,
    lr_scheduler_type: str = "linear",
    warmup_steps: int = 0,
    eval_steps: int = 100,
    patience: int = 0,
    gradient_checkpointing: bool = False,
    bf16: bool | None = None,
    report_to: str = "none",
    logging_steps: int = 10,
    generation_batch_size: int = 512,
    seed: int = 0,
) -> None:
    """Imitate the teacher; the checkpoint with the best validation accuracy by greedy generation is kept.

    Defaults are the paper's for a 1B student (App. C.2, Table 7: batch 84 over 4 GPUs). More compute for a matched
    baseline is a larger --max-steps with --patience 0.

    Args:
        model: the base student, a folder or hub id.
        queries: QUERIES table of the samples.
        samples: the teacher's SAMPLES, one file a round.
        prompt: prompt template file.
        task: how answers are read, on validation.
        validation: QUERIES table on which the checkpoint is chosen.
        validation_golds: its GOLDS.
        output: folder of the best checkpoint.
        metrics: metrics.jsonl, one line a logged step.
        state: folder for checkpoints, outside the outputs.
        revision: of a hub model.
        grades: GRADES of the samples, for --answers good.
        answers: all = every complete sample; good = those of the best score (D_TeachCan, Eq. 2).
        answers_per_query: at most so many, by sample_id.
        chat: put prompts through the chat template.
        max_tokens: longest completion on validation.
        max_length: examples with more tokens than this are left out and counted; None keeps all.
        num_train_epochs: passes over the examples, unless max_steps is positive.
        max_steps: optimizer steps.
        per_device_train_batch_size: examples a step and process.
        gradient_accumulation_steps: steps that make one update.
        learning_rate: of AdamW.
        lr_scheduler_type: transformers' name of a schedule.
        warmup_steps: linear warm-up.
        eval_steps: updates between evaluations; each is also a checkpoint.
        patience: evaluations without a new best before stopping; 0 never stops early.
        gradient_checkpointing: recompute activations, for large students.
        bf16: mixed precision; None = on CUDA only.
        report_to: transformers' integrations, for instance tensorboard.
        logging_steps: updates between logged lines.
        generation_batch_size: validation questions answered side by side.
        seed: of the order of examples.
    """
    arguments = dict(locals())
    if (answers == "good") != (grades is not None):
        raise UserError("--answers good needs --grades, --answers all takes none")
    quiet()
    from scripts.lib.models import end_token_ids, load_causal, load_tokenizer, pad_token_id
    from scripts.lib.training.loop import export, run, shared_state
    from scripts.lib.training.sft import AccuracySFTTrainer, SFTConfig
    from scripts.lib.training.validation import measure_accuracy

    settings = shaping(arguments)
    inputs = [queries, *samples, *([grades] if grades else []), validation, validation_golds, prompt]
    with shared_state(state, "sft", settings, inputs, model, revision) as folder:
        kept, counts = answers_to_learn(
            tables.read_many(samples, tables.SAMPLES),
            tables.read(grades, tables.GRADES) if grades else None,
            answers_per_query,
        )
        asked = tables.read(queries, tables.QUERIES)
        asked = asked.join(kept.select("query_id").unique(), on="query_id", how="semi", maintain_order="left")
        template, tokenizer = PromptTemplate(prompt, chat), load_tokenizer(model, revision)
        tokenizer.pad_token_id = pad_token_id(tokenizer)
        data, counts["over_max_length"] = dataset(
            prompt_ids(tokenizer, template, asked),
            index(asked, ["query_id"], kept, "queries"),
            completion_ids(tokenizer, kept["completion"], kept["finish_reason"]),
            max_length,
        )
        counts["learnt"] = len(data)
        print(json.dumps(counts))
        network = load_causal(model, revision)
        trainer = AccuracySFTTrainer(
            model=network,
            args=SFTConfig(**trainer_arguments(folder, "accuracy", arguments), max_length=None),
            train_dataset=data,
            eval_dataset=data.select([0]),
            processing_class=tokenizer,
        )
        trainer.measure = measure_accuracy(
            validation,
            validation_golds,
            tokenizer,
            template,
            task=task,
            max_tokens=max_tokens,
            batch_size=generation_batch_size,
            end_token_ids=end_token_ids(tokenizer, network.generation_config),
            accelerator=trainer.accelerator,
        )
        rows = run(trainer, folder, metrics, patience)
        about = "The student after data distillation (Eq. 3) on the teacher's " + (
            "answers of the best score (Eq. 2)." if answers == "good" else "answers, right or wrong."
        )
        export(trainer, rows, output, "Warm student", about, model, revision, inputs, settings | counts)


if __name__ == "__main__":
    cli(main)
