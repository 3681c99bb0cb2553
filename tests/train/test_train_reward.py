"""The reward model: its updates are those of Eq. 7 to 9, written out, and a kill changes nothing."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file

from scripts.train.train_reward import main
from tests.support import golden
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


@pytest.mark.parametrize("loss", ["both", "classification"])
def test_three_updates_in_float64(tmp_path, loss):
    """Eq. 7 to 9: both losses and their criteria, at each text's last token.

    With this seed the second update is the first of the best accuracy, and of nothing else.
    """
    from scripts.lib.training.reward import load_reward

    given = golden.write_flags(tmp_path) | golden.write_preferences(tmp_path) | {"seed": 105}
    call(main, **given, loss=loss, lam=0.3)
    assert json.loads((given["output"] / "config.json").read_text()).get("pad_token_id") is None
    texts = golden.Texts(given["model"])
    network = load_reward(given["model"], None, seed=105).double()

    def reward(query: str, whose: str, sample: int) -> torch.Tensor:
        ids = texts.prompt(query) + texts.completion(whose, query, sample)
        hidden = network.model(input_ids=torch.tensor([ids])).last_hidden_state
        return (network.score.weight[0] * hidden[0, len(ids) - 1]).sum()

    def losses(rows: list[tuple]) -> dict[str, torch.Tensor]:
        preference, classification, right, ranked, margin = 0.0, 0.0, 0, 0, 0.0
        for query, _, whose, sample, score, other, other_sample, other_score, _ in rows:
            better, worse = reward(query, whose, sample), reward(query, other, other_sample)
            preference -= golden.log_sigmoid(better - worse) / len(rows)
            for r, scored in ((better, score), (worse, other_score)):
                hit = scored == 5
                classification -= golden.log_sigmoid(r if hit else -r) / (2 * len(rows))
                right += (r.item() > 0) == hit
            ranked += better.item() > worse.item()
            margin += (better - worse).item() / len(rows)
        return {
            "preference_loss": preference,
            "cls_loss": classification,
            "loss": preference + 0.3 * classification if loss == "both" else classification,
            "accuracy": ranked / len(rows),
            "cls_accuracy": right / (2 * len(rows)),
            "margin": margin,
        }

    criteria = []

    def criterion() -> dict[str, float]:
        with torch.no_grad():
            return {name: float(value) for name, value in losses(golden.HELD_OUT).items()}

    def update() -> torch.Tensor:
        criteria.append(criterion())
        return losses(golden.LEARNT)["loss"]

    rate = golden.RATE
    expected = golden.updates(network, update, [rate, rate * 2 / 3, rate / 3])
    criteria.append(criterion())
    ranked = [criteria[step]["accuracy"] * 3 for step in (1, 2, 3)]
    assert ranked == pytest.approx([2, 3, 3])
    log = golden.agree(given, expected, best=2)
    evaluated = [row for row in log if "eval_loss" in row]
    assert [row["step"] for row in evaluated] == [1, 2, 3]
    for row, wanted in zip(evaluated, criteria[1:], strict=True):
        assert {name: row[f"eval_{name}"] for name in wanted} == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_weights_are_saved_in_the_dtype_that_they_came_in(tmp_path, tiny):
    from scripts.lib.models.loading import load_causal, load_tokenizer

    half = tmp_path / "half"
    load_causal(tiny, dtype="bfloat16").save_pretrained(half)
    load_tokenizer(tiny).save_pretrained(half)
    call(main, **flags(tmp_path, half, max_steps=1), **outputs(tmp_path / "out", tmp_path / "state"))
    found = load_file(tmp_path / "out/model/model.safetensors")
    assert {weight.dtype for weight in found.values()} == {torch.bfloat16} and "score.weight" in found


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
