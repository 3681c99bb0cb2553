"""Optimise the warm student on the pairs directly (DPO, Table 11): queries, samples, pairs -> a student folder."""

import json
from pathlib import Path

from scripts.lib import tables
from scripts.lib.errors import cli
from scripts.lib.prompts import PromptTemplate
from scripts.lib.training.examples import fitting, load_pairs, splits
from scripts.lib.training.setup import quiet, shaping, trainer_arguments


def main(
    model: str,
    queries: Path,
    teacher_samples: list[Path],
    student_samples: list[Path],
    pairs: Path,
    prompt: Path,
    task: str,
    validation: Path,
    validation_golds: Path,
    output: Path,
    metrics: Path,
    state: Path,
    revision: str | None = None,
    chat: bool = True,
    max_tokens: int = 512,
    beta: float = 0.1,
    best_score: float = 1.0,
    max_length: int | None = None,
    num_train_epochs: float = 4.0,
    max_steps: int = -1,
    per_device_train_batch_size: int = 24,
    gradient_accumulation_steps: int = 1,
    learning_rate: float = 1e-6,
    lr_scheduler_type: str = "linear",
    warmup_steps: int = 0,
    eval_steps: int = 100,
    patience: int = 3,
    gradient_checkpointing: bool = False,
    bf16: bool | None = None,
    report_to: str = "none",
    logging_steps: int = 10,
    generation_batch_size: int = 512,
    seed: int = 0,
) -> None:
    """Learn the reward model's pairs without a reward model; the checkpoint of the best validation accuracy is kept.

    The paper gives no settings for its DPO; the learning rate and beta are TRL's defaults.

    Args:
        model: the warm student, a folder or hub id; also the reference.
        queries: QUERIES table of the pairs.
        teacher_samples: the teacher's SAMPLES, one file a round.
        student_samples: the warm student's SAMPLES.
        pairs: PAIRS table; its split "train" is learnt.
        prompt: prompt template file.
        task: how answers are read, on validation.
        validation: QUERIES table on which the checkpoint is chosen.
        validation_golds: its GOLDS.
        output: folder of the best checkpoint.
        metrics: metrics.jsonl, one line a logged step.
        state: folder for checkpoints, outside the outputs.
        revision: of a hub model.
        chat: put prompts through the chat template.
        max_tokens: longest completion on validation.
        beta: of DPO's loss.
        best_score: l*: 1 for verifiable tasks, 5 for judged ones.
        max_length: pairs with a side of more tokens than this are left out and counted; None keeps all.
        num_train_epochs: passes over the pairs, unless max_steps is positive.
        max_steps: optimizer steps.
        per_device_train_batch_size: pairs a step and process.
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
        seed: of the order of pairs.
    """
    arguments = dict(locals())
    quiet()
    from datasets import Dataset

    from scripts.lib.models import end_token_ids, load_causal, load_tokenizer, pad_token_id
    from scripts.lib.training.dpo import AccuracyDPOTrainer, DPOConfig, PairCollator
    from scripts.lib.training.loop import export, run, shared_state
    from scripts.lib.training.validation import measure_accuracy

    settings = shaping(arguments)
    inputs = [queries, *teacher_samples, *student_samples, pairs, validation, validation_golds, prompt]
    with shared_state(state, "dpo", settings, inputs, model, revision) as folder:
        template, tokenizer = PromptTemplate(prompt, chat), load_tokenizer(model, revision)
        tokenizer.pad_token_id = pad_token_id(tokenizer)
        known, counts = fitting(
            load_pairs(
                tokenizer,
                template,
                tables.read(queries, tables.QUERIES),
                tables.read_many(teacher_samples, tables.SAMPLES),
                tables.read_many(student_samples, tables.SAMPLES),
                tables.read(pairs, tables.PAIRS),
                best_score,
            ),
            max_length,
        )
        train, _ = splits(known)
        counts["train_pairs"] = len(train)
        print(json.dumps(counts))
        network = load_causal(model, revision)
        trainer = AccuracyDPOTrainer(
            model=network,
            ref_model=load_causal(model, revision),
            args=DPOConfig(**trainer_arguments(folder, "accuracy", arguments), max_length=None, beta=beta),
            data_collator=PairCollator(known, tokenizer.pad_token_id),
            train_dataset=Dataset.from_dict({"pair": train}),
            eval_dataset=Dataset.from_dict({"pair": train[:1]}),
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
        about = (
            "The warm student after direct preference optimisation on the reward model's pairs (Table 11)."
        )
        export(trainer, rows, output, "Student after DPO", about, model, revision, inputs, settings | counts)


if __name__ == "__main__":
    cli(main)
