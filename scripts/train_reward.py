"""Train the reward model from the warm student (Eq. 7-9): queries, samples, pairs -> a reward model folder."""

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
    output: Path,
    metrics: Path,
    state: Path,
    revision: str | None = None,
    chat: bool = True,
    lam: float = 0.5,
    best_score: float = 1.0,
    max_length: int | None = None,
    num_train_epochs: float = 4.0,
    max_steps: int = -1,
    per_device_train_batch_size: int = 48,
    gradient_accumulation_steps: int = 1,
    learning_rate: float = 5e-5,
    lr_scheduler_type: str = "linear",
    warmup_steps: int = 0,
    eval_steps: int = 100,
    patience: int = 3,
    gradient_checkpointing: bool = False,
    bf16: bool | None = None,
    report_to: str = "none",
    logging_steps: int = 10,
    seed: int = 0,
) -> None:
    """Learn to prefer better answers and to tell right from wrong ones; the checkpoint of the best pair accuracy is kept.

    Defaults are the paper's for a 1B student (App. C.2).

    Args:
        model: the warm student, a folder or hub id; its head becomes one number at the last token.
        queries: QUERIES table of the pairs.
        teacher_samples: the teacher's SAMPLES, one file a round.
        student_samples: the warm student's SAMPLES.
        pairs: PAIRS table; its split "validation" chooses the checkpoint.
        prompt: prompt template file.
        output: folder of the reward model.
        metrics: metrics.jsonl, one line a logged step.
        state: folder for checkpoints, outside the outputs.
        revision: of a hub model.
        chat: put prompts through the chat template.
        lam: lambda of Eq. 9, the weight of the classification loss.
        best_score: l* of Eq. 7: 1 for verifiable tasks, 5 for judged ones.
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
        seed: of the head's initial weights and of the order of pairs.
    """
    arguments = dict(locals())
    quiet()
    from datasets import Dataset

    from scripts.lib.models import load_tokenizer, pad_token_id
    from scripts.lib.training.loop import export, run, shared_state
    from scripts.lib.training.reward import DistilledRewardTrainer, PairCollator, RewardConfig, load_reward

    settings = shaping(arguments)
    inputs = [queries, *teacher_samples, *student_samples, pairs, prompt]
    with shared_state(state, "reward", settings, inputs, model, revision) as folder:
        tokenizer = load_tokenizer(model, revision)
        tokenizer.pad_token_id = pad_token_id(tokenizer)
        known, counts = fitting(
            load_pairs(
                tokenizer,
                PromptTemplate(prompt, chat),
                tables.read(queries, tables.QUERIES),
                tables.read_many(teacher_samples, tables.SAMPLES),
                tables.read_many(student_samples, tables.SAMPLES),
                tables.read(pairs, tables.PAIRS),
                best_score,
            ),
            max_length,
        )
        train, held_out = splits(known)
        counts |= {"train_pairs": len(train), "validation_pairs": len(held_out)}
        print(json.dumps(counts))
        trainer = DistilledRewardTrainer(
            model=load_reward(model, revision, tokenizer.pad_token_id, seed),
            args=RewardConfig(**trainer_arguments(folder, "accuracy", arguments), max_length=None),
            data_collator=PairCollator(known, tokenizer.pad_token_id),
            train_dataset=Dataset.from_dict({"pair": train}),
            eval_dataset=Dataset.from_dict({"pair": held_out}),
            processing_class=tokenizer,
        )
        trainer.lam = lam
        rows = run(trainer, folder, metrics, patience)
        about = "A reward model: the warm student with one linear output, read at the last token (Eq. 7-9)."
        export(trainer, rows, output, "Reward model", about, model, revision, inputs, settings | counts)


if __name__ == "__main__":
    cli(main)
