"""Distil the teacher's logits on its answers and the student's (GKD): queries, samples -> a student."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import tyro

from scripts.lib.data.hashing import keys, mix
from scripts.lib.errors import UserError
from scripts.lib.process.stop import restartable
from scripts.lib.tasks import task_of
from scripts.lib.training.examples import demonstrations
from scripts.lib.training.flags import TrainingRun, Validation
from scripts.lib.training.settings.gkd import GkdTraining
from scripts.lib.training.setup import quiet

DEFAULTS = GkdTraining()


def check_alike(own, others, texts: list[str]) -> None:
    """Raise UserError unless two tokenizers give the same ids for texts: logits are compared by id."""
    for text in texts:
        if own(text)["input_ids"] != others(text)["input_ids"]:
            raise UserError(
                "teacher and student cut text into other tokens, so that their logits cannot be compared; "
                "take models that share a tokenizer, or another method"
            )


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
def main(
    run: TrainingRun,
    samples: list[Path],
    teacher: str,
    validation: Validation,
    training: GkdTraining = DEFAULTS,
    grades: Path | None = None,
    answers: Literal["all", "good"] = "all",
    teacher_revision: str | None = None,
) -> None:
    """Learn the teacher's distribution of each token; the checkpoint whose answers to validation questions
    are best is kept.

    Args:
        run: the student, files.
        samples: the teacher's SAMPLES, one file per round.
        teacher: the teacher, a folder or hub id.
        validation: what chooses the checkpoint.
        training: settings.
        grades: GRADES of the samples, for --answers good.
        answers: all = every complete sample; good = those of the best score (D_TeachCan, Eq. 2).
        teacher_revision: of a hub model.
    """
    if (answers == "all") != (grades is None):
        raise UserError(f"--answers {answers} {'takes no' if grades else 'needs'} --grades")
    quiet()
    import torch
    from datasets import Dataset
    from transformers import TrainingArguments

    from scripts.lib.models.identity import identity
    from scripts.lib.models.loading import load_causal, load_tokenizer
    from scripts.lib.training.gkd import AccuracyGKDTrainer, Draws, numbers
    from scripts.lib.training.loop import export, fit, session
    from scripts.lib.training.validation import check_judge, measure_answers, metric_of

    check_judge(run, validation)

    template = run.template(run.prompt, validation.stop)
    settings = {
        "answers": answers,
        "teacher": identity(teacher, teacher_revision),
        "task": task_of(validation.task).name,
        "max_tokens": validation.max_tokens,
        "stop": list(template.stops),
    }
    inputs = [*samples, *([grades] if grades else []), *validation.validation_files]
    with session("gkd", run, training, settings, inputs) as now:
        if not now:
            return
        tokenizer = load_tokenizer(run.model, run.revision)
        learnt, counts = demonstrations(
            run.queries,
            samples,
            grades,
            tokenizer,
            template,
            answers_per_query=training.answers_per_query,
            max_length=training.max_length,
        )
        network = load_causal(teacher, teacher_revision).eval().requires_grad_(False)
        known = learnt.table["completion"].head(200).to_list()
        check_alike(tokenizer, load_tokenizer(teacher, teacher_revision), known)
        print(json.dumps(counts))
        trainer = AccuracyGKDTrainer(
            model=load_causal(run.model, run.revision),
            args=TrainingArguments(**now.arguments(metric_of(validation))),
            data_collator=numbers,
            train_dataset=Dataset.from_dict({"row": range(len(learnt))}),
            eval_dataset=Dataset.from_dict({"row": [0]}),
            processing_class=tokenizer,
        )
        trainer.answers, trainer.lengths = learnt, learnt.lengths()
        trainer.names = mix(keys(learnt.table["query_id"], 0, "gkd"), learnt.table["sample_id"].to_numpy())
        trainer.teacher = network.to(
            trainer.accelerator.device, torch.bfloat16 if now.training.bf16 else None
        )
        trainer.settings = replace(training, bf16=now.training.bf16)
        trainer.draws = Draws(run.seed, validation.max_tokens, tokenizer.eos_token_id)
        trainer.model_accepts_loss_kwargs = True  # the loss is a mean over the update's tokens already
        trainer.measure = measure_answers(
            validation, training.generation_batch_size, tokenizer, template, trainer
        )
        rows = fit(trainer, now)
        about = (
            "The student after on-policy distillation (GKD): the teacher's logits on its answers and on the "
            "student's own."
        )
        export(trainer, rows, now, "Student after GKD", about, counts)


if __name__ == "__main__":
    restartable(main)
