"""Trainings in bfloat16, forced on a CPU: near those in float32, which alone keeps what is saved."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file

from scripts.train import train_dpo, train_reward, train_sft
from tests.support import golden
from tests.support.steps import call
from tests.support.training_data import outputs


@pytest.mark.parametrize("step", [train_sft, train_reward, train_dpo], ids=lambda step: step.__name__[14:])
def test_a_training_in_bfloat16_is_near_the_one_in_float32(tmp_path, capsys, step):
    given = golden.write_flags(tmp_path)
    if step is train_sft:
        given |= golden.write_validation(tmp_path) | {"answers": "all", "max_tokens": 4}
        given["samples"] = given.pop("teacher_samples")
    else:
        given |= golden.write_preferences(tmp_path)
    if step is train_dpo:
        given |= golden.write_validation(tmp_path) | {"max_tokens": 4}
    losses, found = [], []
    for half in (False, True):
        folder = tmp_path / str(half)
        call(step.main, **given | outputs(folder, tmp_path / "state"), bf16=half)
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        losses.append([row["loss"] for row in rows if "loss" in row])
        found.append(load_file(folder / "model/model.safetensors"))
        assert f", {'bfloat16' if half else 'float32'}; metrics grow in" in capsys.readouterr().out
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    moved = [not torch.equal(weight, found[1][name]) for name, weight in found[0].items()]
    assert any(moved) and {weight.dtype for weight in found[1].values()} == {torch.float32}
