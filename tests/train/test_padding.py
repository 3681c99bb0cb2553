"""What a tokenizer pads with changes nothing: no training, no measurement, no tokenizer of a result."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scripts.train import evaluate_reward, train_dpo, train_reward, train_sft
from tests.support.steps import call
from tests.support.training_data import outputs
from tests.train import test_train_reward, test_train_sft

TOKENS = {"own": ("<pad>", 0), "end": ("<eos>", 2), "none": (None, None)}


def padded(model: Path, folder: Path, kind: str) -> Path:
    """A copy of the model that says it pads with `kind` of TOKENS."""
    word, token = TOKENS[kind]
    shutil.copytree(model, folder)
    for name, key, value in (
        ("config.json", "pad_token_id", token),
        ("generation_config.json", "pad_token_id", token),
        ("tokenizer_config.json", "pad_token", word),
    ):
        if (path := folder / name).exists():
            path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    return folder


def alike(folders: list[Path], kinds: list[str]) -> None:
    """Equal weights and equal logs, and each result's tokenizer pads as the model it came from."""
    first, *others = [load_file(folder / "model/model.safetensors") for folder in folders]
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first | other)
    logs = [(folder / "metrics.jsonl").read_text().splitlines() for folder in folders]
    rows = [[json.loads(line) | {"seconds": None} for line in log] for log in logs]
    assert len(rows[0]) > 2 and all(row == rows[0] for row in rows)
    for folder, kind in zip(folders, kinds, strict=True):
        assert AutoTokenizer.from_pretrained(folder / "model").pad_token == TOKENS[kind][0]


@pytest.mark.parametrize("step", [train_sft, train_reward, train_dpo], ids=lambda step: step.__name__[14:])
def test_a_training_does_not_see_what_the_tokenizer_pads_with(tmp_path, tiny, step):
    folders = []
    for kind in TOKENS:
        model, folder = padded(tiny, tmp_path / f"{kind} model", kind), tmp_path / kind
        if step is train_sft:
            given = test_train_sft.flags(tmp_path, model, max_steps=3, max_tokens=4)
        else:
            given = test_train_reward.flags(tmp_path, model, max_steps=3)
        if step is train_dpo:
            data = tmp_path / "data"
            given |= {"validation": data / "queries.parquet", "validation_golds": data / "golds.parquet"}
            given |= {"task": "numeric", "max_tokens": 4}
        call(step.main, **given, **outputs(folder, tmp_path / "state"))
        folders.append(folder)
    alike(folders, list(TOKENS))
    if step is train_reward:
        table9(tmp_path, given, folders)


def table9(tmp_path: Path, given: dict, rewards: list[Path]) -> None:
    """The saved reward models rank held-out pairs alike, and transformers reads none where it ends not."""
    names = ("queries", "prompt", "teacher_samples", "student_samples")
    taken = {name: given[name] for name in names} | {"pairs": tmp_path / "data/held_out.parquet"}
    told = []
    for folder in rewards:
        evaluate_reward.main(
            **taken,
            model=str(folder / "model"),
            output=tmp_path / "table9.json",
            output_rewards=tmp_path / "r.parquet",
        )
        told.append((tmp_path / "table9.json").read_text())
    assert len(set(told)) == 1
    text, scores = torch.tensor([[1, 5, 6, 2]]), []
    for folder, pads in zip(rewards, (0, None, None), strict=True):
        network = AutoModelForSequenceClassification.from_pretrained(folder / "model")
        assert network.config.pad_token_id == pads
        scores.append(network(input_ids=text).logits.item())
    assert len(set(scores)) == 1
