"""DPO: the batch is TRL's, the updates are those written out, and the best checkpoint is the result."""

import math

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch

from scripts.lib.training.examples import ragged
from scripts.train.train_dpo import main
from tests.support import golden
from tests.support.steps import call
from tests.train.test_train_sft import scripted


def test_the_collator_makes_trls_batch():
    from types import SimpleNamespace

    from scripts.lib.training.dpo import PairCollator

    pairs = SimpleNamespace(
        prompts=ragged([[5, 6]]), completions=ragged([[7, 2], [8, 9, 2]]), query=[0], chosen=[1], rejected=[0]
    )
    batch = PairCollator(pairs)([{"pair": 0}])
    assert batch["input_ids"].tolist() == [[5, 6, 8, 9, 2], [5, 6, 7, 2, 0]]
    assert batch["completion_mask"].tolist() == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 0]]


def test_three_updates_in_float64(tmp_path, monkeypatch):
    """-log sigmoid(beta (log-ratio of the chosen minus of the rejected)) to the starting student, a mean over
    pairs."""
    from scripts.lib.models.loading import load_causal

    given = golden.write_flags(tmp_path) | golden.write_preferences(tmp_path)
    scripted(monkeypatch, [0.1, 0.3, 0.3])
    call(main, **given, **golden.write_validation(tmp_path), beta=0.3)
    texts = golden.Texts(given["model"])
    network, start = load_causal(given["model"]).double(), load_causal(given["model"]).double()

    def log_probability(model, query: str, whose: str, sample: int) -> torch.Tensor:
        prompt, completion = texts.prompt(query), texts.completion(whose, query, sample)
        logs = model(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
        return sum(logs[at - 1, token] for at, token in enumerate(completion, len(prompt)))

    def ratio(*text) -> torch.Tensor:
        return log_probability(network, *text) - log_probability(start, *text).item()

    def loss() -> torch.Tensor:
        total = 0.0
        for query, _, whose, sample, _, other, other_sample, _, _ in golden.LEARNT:
            margin = ratio(query, whose, sample) - ratio(query, other, other_sample)
            total -= golden.log_sigmoid(0.3 * margin) / len(golden.LEARNT)
        return total

    rate = golden.RATE
    expected = golden.updates(network, loss, [rate, rate * 2 / 3, rate / 3])
    assert expected[0]["loss"] == pytest.approx(math.log(2))
    golden.agree(given, expected, best=2)
