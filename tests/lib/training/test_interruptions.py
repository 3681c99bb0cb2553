"""What may end a training before its time: memory that runs out, and a signal. Either way it goes on, to the
same end."""

import json
import os
import re
import signal

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file

from scripts.lib.errors import UserError
from scripts.lib.process.memory import Restart
from scripts.lib.training.settings.sft import SftTraining
from scripts.lib.training.setup import micro_batch
from scripts.train import train_dpo, train_reward, train_sft
from tests.support.scarce import ration
from tests.support.steps import call
from tests.support.training_data import outputs
from tests.train import test_train_reward, test_train_sft

ROOM = {"train_sft": 60, "train_reward": 120, "train_dpo": 120}
"""Tokens of a forward pass: half a step of four examples, or of four pairs, and no more."""


def given(name, folder, model, **more):
    if name == "train_sft":
        return test_train_sft.flags(folder, model, **more)
    flags = test_train_reward.flags(folder, model, **more)
    data = folder / "data"
    if name == "train_dpo":
        flags |= {"validation": data / "queries.parquet", "validation_golds": data / "golds.parquet"}
        flags |= {"task": "numeric", "max_tokens": 4}
    return flags


def persist(main, **flags) -> list[str]:
    """Run a step again as often as it asks for it; returns its reasons."""
    reasons = []
    while True:
        try:
            call(main, **flags)
            return reasons
        except Restart as reason:
            reasons.append(str(reason))


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "step", [train_sft, train_reward, train_dpo], ids=lambda step: step.__name__.rpartition(".")[2]
)
def test_it_goes_on_with_smaller_steps_and_the_same_updates(tmp_path, tiny, monkeypatch, capfd, step):
    """11 or 12 examples an epoch make a short last update, too."""
    name = step.__name__.rpartition(".")[2]
    common = {"max_steps": 7, "learning_rate": 1e-3, "seed": 1}
    call(
        step.main,
        **given(name, tmp_path, tiny, per_device_train_batch_size=4, **common),
        **outputs(tmp_path / "rich", tmp_path / "state"),
    )
    call(
        step.main,
        **given(name, tmp_path, tiny, per_device_train_batch_size=2, gradient_accumulation_steps=2, **common),
        **outputs(tmp_path / "small", tmp_path / "state"),
    )
    capfd.readouterr()
    with monkeypatch.context() as patch:
        refused = ration(ROOM[name], patch.setattr)
        reasons = persist(
            step.main,
            **given(name, tmp_path, tiny, per_device_train_batch_size=4, **common),
            **outputs(tmp_path / "poor", tmp_path / "state"),
        )
    assert refused
    assert [re.sub(r" \(.*\)", "", reason) for reason in reasons] == [
        "out of memory with 4 examples per process and step: going on with 2 at most"
    ]
    said = capfd.readouterr().out
    assert "2 examples per process and step, 2 steps per update" in said
    assert "training from the start" in said
    assert [row["step"] for row in rows(tmp_path / "poor") if "loss" in row] == [1, 2, 3, 4, 5, 6, 7]
    rich, small, poor = (
        load_file(tmp_path / run / "model/model.safetensors") for run in ("rich", "small", "poor")
    )
    assert all(torch.equal(small[key], poor[key]) for key in small)
    assert all(torch.allclose(rich[key], poor[key], atol=2e-5) for key in rich)
    assert any(not torch.equal(rich[key], poor[key]) for key in rich)
    assert not list((tmp_path / "state").rglob("memory.json"))


@pytest.mark.parametrize(
    "step", [train_sft, train_reward, train_dpo], ids=lambda step: step.__name__.rpartition(".")[2]
)
def test_told_to_stop_it_saves_at_once_and_goes_on_to_the_same_bytes(
    tmp_path, tiny, monkeypatch, capfd, step
):
    """Between two checkpoints; the log says how long saving took."""
    from transformers import Trainer as Peer

    flags = given(step.__name__.rpartition(".")[2], tmp_path, tiny, eval_steps=4)
    call(step.main, **flags, **outputs(tmp_path / "whole", tmp_path / "state"))
    with monkeypatch.context() as patch:
        train, calls = Peer.training_step, []

        def told(self, *args, **keywords):
            calls.append(None)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return train(self, *args, **keywords)

        patch.setattr(Peer, "training_step", told)
        with pytest.raises(SystemExit) as end:
            call(step.main, **flags, **outputs(tmp_path / "told", tmp_path / "state"))
    assert end.value.code == 128 + signal.SIGTERM and len(calls) == 3
    assert re.search(r"SIGTERM: saved, \d+\.\d s after the signal", capfd.readouterr().err)
    (state,) = (tmp_path / "state").glob("*/*")
    assert [path.name for path in state.glob("checkpoint-*")] == ["checkpoint-3"]
    assert [row["step"] for row in rows(state)] == [1, 2, 3]
    call(step.main, **flags, **outputs(tmp_path / "told", tmp_path / "state"))
    for path in (path for path in (tmp_path / "whole").rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "told" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_it_goes_on_from_the_last_checkpoint(tmp_path, tiny, monkeypatch, capfd):
    """Memory that runs out late (a long example) costs the steps since then, not the training."""
    from scripts.lib.training.sft import AccuracySFTTrainer

    test_train_sft.scripted(monkeypatch, [0.1, 0.2, 0.3, 0.4])
    train, calls = AccuracySFTTrainer.training_step, []

    def step(self, model, inputs, *args, **keywords):
        calls.append(len(inputs["input_ids"]))
        if self.state.global_step == 3 and len(inputs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried.")
        return train(self, model, inputs, *args, **keywords)

    monkeypatch.setattr(AccuracySFTTrainer, "training_step", step)
    flags = test_train_sft.flags(tmp_path, tiny, per_device_train_batch_size=3, gradient_accumulation_steps=1)
    reasons = persist(train_sft.main, **flags, **outputs(tmp_path / "out", tmp_path / "state"))
    assert len(reasons) == 1
    assert calls == [3, 3, 3, 3] + [1] * 10  # 16 examples: the sixth update has one
    assert (
        "training from update 2; 1 examples per process and step, 3 steps per update"
        in capfd.readouterr().out
    )
    assert [row["step"] for row in rows(tmp_path / "out") if "loss" in row] == [1, 2, 3, 4, 5, 6]


def test_one_example_that_does_not_fit_is_an_error_with_a_mend(tmp_path, tiny, monkeypatch):
    ration(5, monkeypatch.setattr)
    flags = given("train_reward", tmp_path, tiny, per_device_train_batch_size=4)
    with pytest.raises(UserError, match=r"out of memory with 1 examples.*gradient_checkpointing"):
        persist(train_reward.main, **flags, **outputs(tmp_path / "out", tmp_path / "state"))


def test_steps_divide_the_update():
    training = SftTraining(per_device_train_batch_size=21, gradient_accumulation_steps=1)
    assert [micro_batch(training, most) for most in (21, 10, 3, 1)] == [(21, 1), (7, 3), (3, 7), (1, 21)]
    training = SftTraining(per_device_train_batch_size=8, gradient_accumulation_steps=3)
    assert micro_batch(training, 6) == (6, 4)
