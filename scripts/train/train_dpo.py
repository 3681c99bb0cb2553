"""Optimise the warm student on the pairs directly (DPO, Table 11):
queries, samples, pairs -> a student folder."""

import json

import tyro

from scripts.lib.process.stop import restartable
from scripts.lib.tasks import task_of
from scripts.lib.training.examples import preferences
from scripts.lib.training.flags import Preferences, TrainingRun, Validation
from scripts.lib.training.settings.dpo import DpoTraining
from scripts.lib.training.setup import quiet

DEFAULTS = DpoTraining()


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
def main(
    run: TrainingRun, data: Preferences, validation: Validation, training: DpoTraining = DEFAULTS
) -> None:
    """Learn the reward model's pairs without a reward model; the checkpoint whose answers to
    validation questions are best is kept.

    Args:
        run: the warm student, also the reference; files.
        data: pairs.
        validation: what chooses the checkpoint.
        training: settings.
    """
    quiet()
    from datasets import Dataset

    from scripts.lib.models.loading import load_causal, load_tokenizer
    from scripts.lib.training.dpo import AccuracyDPOTrainer, DPOConfig, PairCollator
    from scripts.lib.training.loop import export, fit, session
    from scripts.lib.training.validation import check_judge, measure_answers, metric_of

    check_judge(run, validation)

    template = run.template(run.prompt, validation.stop)
    settings = {
        "best_score": data.best_score,
        "task": task_of(validation.task).name,
        "max_tokens": validation.max_tokens,
        "stop": list(template.stops),
    }
    inputs = [*data.files, *validation.validation_files]
    with session("dpo", run, training, settings, inputs) as now:
        if not now:
            return
        tokenizer = load_tokenizer(run.model, run.revision)
        train, _, counts = preferences(run.queries, data, tokenizer, template, training.max_length)
        print(json.dumps(counts))
        trainer = AccuracyDPOTrainer(
            model=load_causal(run.model, run.revision),
            ref_model=load_causal(run.model, run.revision),
            args=DPOConfig(**now.arguments(metric_of(validation)), max_length=None, beta=training.beta),
            data_collator=PairCollator(train),
            train_dataset=Dataset.from_dict({"pair": range(len(train))}),
            eval_dataset=Dataset.from_dict({"pair": [0]}),
            processing_class=tokenizer,
        )
        trainer.lengths = train.longest()
        trainer.measure = measure_answers(
            validation, training.generation_batch_size, tokenizer, template, trainer
        )
        rows = fit(trainer, now)
        about = (
            "The warm student after direct preference optimisation on the reward model's pairs (Table 11)."
        )
        export(trainer, rows, now, "Student after DPO", about, counts)


if __name__ == "__main__":
    restartable(main)
