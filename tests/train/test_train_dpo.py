"""DPO: the batch is TRL's, the weights move, and the best checkpoint is the result."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file

from scripts.lib.training.examples import ragged
from scripts.train.train_dpo import main
from tests.support.steps import call
from tests.support.training_data import outputs
from tests.train.test_train_reward import flags
from tests.train.test_train_sft import scripted


def test_the_collator_makes_trls_batch():
    from types import SimpleNamespace

    from scripts.lib.training.dpo import PairCollator

    pairs = SimpleNamespace(
        prompts=ragged([[5, 6]]), completions=ragged([[7, 2], [8, 9, 2]]), query=[0], chosen=[1], rejected=[0]
    )
    batch = PairCollator(pairs, 0)([{"pair": 0}])
    assert batch["input_ids"].tolist() == [[5, 6, 8, 9, 2], [5, 6, 7, 2, 0]]
    assert batch["completion_mask"].tolist() == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 0]]


def test_dpo_moves_away_from_the_rejected(tmp_path, tiny, monkeypatch):
    scripted(monkeypatch, [0.1, 0.9, 0.3])
    data = tmp_path / "data"
    given = flags(tmp_path, tiny) | {
        "validation": data / "queries.parquet",
        "validation_golds": data / "golds.parquet",
        "task": "numeric",
    }
    call(main, **given, **outputs(tmp_path / "out", tmp_path / "state"))
    rows = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)
    assert losses[-1] < losses[0]
    assert "step 4, the first with the best" in (tmp_path / "out/model/README.md").read_text()
    assert "lm_head.weight" in load_file(tmp_path / "out/model/model.safetensors")
