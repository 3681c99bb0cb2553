"""Fine-tune the student on the teacher's answers or its own (Eq. 3): queries, samples -> a student folder."""

import json
from pathlib import Path
from typing import Literal

import tyro

from scripts.lib.errors import UserError
from scripts.lib.process.stop import restartable
from scripts.lib.tasks import task_of
from scripts.lib.training.examples import Answers, demonstrations
from scripts.lib.training.flags import TrainingRun, Validation
from scripts.lib.training.settings.sft import SftTraining
from scripts.lib.training.setup import quiet

DEFAULTS = SftTraining()
Learnt = Literal["all", "good", "student_good"]
ABOUT = {
    "all": "The student after data distillation (Eq. 3) on the teacher's answers, right or wrong.",
    "good": "The student after data distillation (Eq. 3) on the teacher's answers of the best score (Eq. 2).",
    "student_good": "The student after rejection sampling: fine-tuned (Eq. 3) on a student's own answers "
    "of the best score (Eq. 4).",
}


def dataset(answers: Answers):
    """A `datasets.Dataset` of input_ids and labels (-100 on the prompt)."""
    import pyarrow as pa
    from datasets import Dataset

    ids, labels = [], []
    for row in range(len(answers)):
        prompt, completion = answers[row]
        ids.append(prompt + completion)
        labels.append([-100] * len(prompt) + completion)
    kind = pa.list_(pa.int32())
    return Dataset(pa.table({"input_ids": pa.array(ids, kind), "labels": pa.array(labels, kind)}))


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
def main(
    run: TrainingRun,
    samples: list[Path],
    validation: Validation,
    training: SftTraining = DEFAULTS,
    grades: Path | None = None,
    answers: Learnt = "good",
) -> None:
    """Imitate right answers, or all; the checkpoint whose answers to validation questions are best is kept.

    More compute for a matched baseline is a larger max_steps with patience 0.

    Args:
        run: the base student, files.
        samples: SAMPLES, the teacher's, one file per round, or a student's own.
        validation: what chooses the checkpoint.
        training: settings.
        grades: GRADES of the samples, for all but --answers all.
        answers: all = every complete sample; good = those of the best score (D_TeachCan, Eq. 2);
            student_good = the same of a student's own samples.
    """
    if (answers == "all") != (grades is None):
        raise UserError(f"--answers {answers} {'takes no' if grades else 'needs'} --grades")
    quiet()
    from scripts.lib.models.loading import PADDING, load_causal, load_tokenizer
    from scripts.lib.training.loop import export, fit, session
    from scripts.lib.training.sft import AccuracySFTTrainer, DataCollatorForLanguageModeling, SFTConfig
    from scripts.lib.training.validation import check_judge, measure_answers, metric_of

    check_judge(run, validation)

    template = run.template(run.prompt, validation.stop)
    settings = {
        "answers": answers,
        "task": task_of(validation.task).name,
        "max_tokens": validation.max_tokens,
        "stop": list(template.stops),
    }
    inputs = [
        *samples,
        *([grades] if grades else []),
        *validation.validation_files,
    ]
    with session("sft", run, training, settings, inputs) as now:
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
            thoughts=training.learn_reasoning,
        )
        print(json.dumps(counts))
        data = dataset(learnt)
        trainer = AccuracySFTTrainer(
            model=load_causal(run.model, run.revision),
            args=SFTConfig(**now.arguments(metric_of(validation)), max_length=None),
            data_collator=DataCollatorForLanguageModeling(pad_token_id=PADDING),
            train_dataset=data,
            eval_dataset=data.select([0]),
            processing_class=tokenizer,
        )
        trainer.lengths = learnt.lengths()
        trainer.measure = measure_answers(
            validation, training.generation_batch_size, tokenizer, template, trainer
        )
        rows = fit(trainer, now)
        export(trainer, rows, now, "Warm student", ABOUT[answers], counts)


if __name__ == "__main__":
    restartable(main)
