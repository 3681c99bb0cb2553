"""The reward model: its loss is Eq. 9, a kill changes nothing, and the folder scores what training scored."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file

from scripts.lib.data.tables import PAIRS, QUERIES, SAMPLES, read
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.training.examples import load_pairs
from scripts.train.train_reward import main
from tests.support.steps import call
from tests.support.training_data import outputs, write_training_data


class Killed(BaseException):
    """Stands for SIGKILL."""


def flags(folder: Path, model: Path, **more):
    data = folder / "data"
    return {
        **write_training_data(data),
        "model": str(model),
        "teacher_samples": [data / "teacher.parquet"],
        "student_samples": [data / "student.parquet"],
        "pairs": data / "pairs.parquet",
        "max_steps": 6,
        "eval_steps": 2,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "seed": 3,
        "gradient_accumulation_steps": 1,
        "gradient_checkpointing": False,
    } | more


def loaded(given, tokenizer):
    tables = (read(given["queries"], QUERIES), read(given["teacher_samples"][0], SAMPLES))
    tables += (read(given["student_samples"][0], SAMPLES), read(given["pairs"], PAIRS))
    return load_pairs(tokenizer, PromptTemplate(given["prompt"], True), *tables, 1.0)


def test_the_loss_is_equation_9(tmp_path, tiny):
    """Against scalar sums over answers scored one by one, without padding."""
    from datasets import Dataset

    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.reward import (
        DistilledRewardTrainer,
        PairCollator,
        RewardConfig,
        load_reward,
    )

    given, tokenizer = flags(tmp_path, tiny), load_tokenizer(tiny)
    pairs = loaded(given, tokenizer)
    network = load_reward(tiny, None, 0, seed=1)
    trainer = DistilledRewardTrainer(
        model=network,
        args=RewardConfig(output_dir=str(tmp_path / "unused"), use_cpu=True, bf16=False, report_to="none"),
        data_collator=PairCollator(pairs, 0),
        train_dataset=Dataset.from_dict({"pair": list(range(len(pairs)))}),
        processing_class=tokenizer,
    )
    trainer.lam = 0.3
    rows = [0, 3, 5]
    network.eval()
    batch = trainer.data_collator([{"pair": row} for row in rows])
    loss = trainer.compute_loss(network, batch).item()

    def reward(row, side):
        ids = pairs.prompts[pairs.query[row]] + pairs.completions[side[row]]
        assert ids[-1] == tokenizer.eos_token_id
        return network(input_ids=torch.tensor([ids])).logits[0, 0]

    preference, classification = 0.0, 0.0
    for row in rows:
        chosen, rejected = reward(row, pairs.chosen), reward(row, pairs.rejected)
        preference -= torch.log(torch.sigmoid(chosen - rejected))
        for value, hit in ((chosen, pairs.chosen_hit[row]), (rejected, pairs.rejected_hit[row])):
            classification -= torch.log(torch.sigmoid(value) if hit else 1 - torch.sigmoid(value))
    expected = preference / 3 + 0.3 * classification / 6
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert {pairs.rejected_hit[row] for row in rows} == {True, False}
    trainer.preference = False
    batch = trainer.data_collator([{"pair": row} for row in rows])
    alone = trainer.compute_loss(network, batch).item()
    assert alone == pytest.approx((classification / 6).item(), rel=1e-5), "an ORM's loss is Eq. 7"


def test_a_kill_changes_nothing(tmp_path, tiny, monkeypatch):
    from transformers import AutoModelForSequenceClassification

    from scripts.lib.training.reward import DistilledRewardTrainer

    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "whole", tmp_path / "state"))
    steps = []
    with monkeypatch.context() as patch:
        train = DistilledRewardTrainer.training_step

        def step(self, *args, **kwargs):
            steps.append(None)
            if len(steps) == 4:
                raise Killed
            return train(self, *args, **kwargs)

        patch.setattr(DistilledRewardTrainer, "training_step", step)
        with pytest.raises(Killed):
            call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "killed", tmp_path / "state"))
    (left,) = (tmp_path / "state" / "reward").iterdir()
    assert [path.name for path in left.glob("checkpoint-*")] == ["checkpoint-2"]
    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "killed", tmp_path / "state"))
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "killed" / path.relative_to(tmp_path / "whole")).read_bytes()
    assert not list((tmp_path / "state" / "reward").iterdir())

    folder = tmp_path / "whole/model"
    assert "score.weight" in load_file(folder / "model.safetensors")
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    assert (network.config.num_labels, network.config.pad_token_id) == (1, 0)


def test_another_lambda_is_another_training(tmp_path, tiny):
    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "a", tmp_path / "state"))
    call(main, **flags(tmp_path, tiny, lam=0.0), **outputs(tmp_path / "b", tmp_path / "state"))
    a, b = (load_file(tmp_path / name / "model/model.safetensors") for name in "ab")
    assert not torch.equal(a["score.weight"], b["score.weight"])
