"""Train the reward model from the warm student (Eq. 7-9): queries, samples, pairs -> a reward model
folder."""

import json

import tyro

from scripts.lib.process.stop import restartable
from scripts.lib.training.examples import preferences
from scripts.lib.training.flags import Preferences, TrainingRun
from scripts.lib.training.settings.reward import RewardTraining
from scripts.lib.training.setup import quiet

DEFAULTS = RewardTraining()


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
def main(run: TrainingRun, data: Preferences, training: RewardTraining = DEFAULTS) -> None:
    """Learn to prefer better answers and to tell right from wrong ones; the checkpoint of the best pair
    accuracy is kept.

    Args:
        run: the warm student, whose head becomes one number at the last token; files.
        data: pairs; their split "validation" chooses the checkpoint.
        training: settings.
    """
    quiet()
    from datasets import Dataset

    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.loop import export, fit, session
    from scripts.lib.training.reward import DistilledRewardTrainer, PairCollator, RewardConfig, load_reward

    with session("reward", run, training, {"best_score": data.best_score}, data.files) as now:
        if not now:
            return
        template, tokenizer = run.template(run.prompt), load_tokenizer(run.model, run.revision)
        train, validation, counts = preferences(run.queries, data, tokenizer, template, training.max_length)
        print(json.dumps(counts))
        trainer = DistilledRewardTrainer(
            model=load_reward(run.model, run.revision, run.seed),
            args=RewardConfig(**now.arguments("accuracy"), max_length=None),
            data_collator=PairCollator(train),
            train_dataset=Dataset.from_dict({"pair": range(len(train))}),
            eval_dataset=Dataset.from_dict({"pair": [0]}),
            processing_class=tokenizer,
        )
        trainer.lam, trainer.preference = training.lam, training.loss == "both"
        trainer.lengths, trainer.validation = train.longest(), validation
        rows = fit(trainer, now)
        about = "A reward model: the warm student with one linear output, read at the last token (Eq. 7-9)."
        export(trainer, rows, now, "Reward model", about, counts)


if __name__ == "__main__":
    restartable(main)
