"""GKD: the divergence is TRL's, the updates are those written out, and what is drawn survives a kill."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch

from scripts.lib.errors import UserError
from scripts.lib.training.gkd import divergence
from scripts.train.train_gkd import check_alike, main
from tests.support import golden
from tests.support.steps import call
from tests.support.tiny import tiny_model
from tests.support.training_data import outputs
from tests.train.test_train_sft import Killed, flags, scripted


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
def test_the_divergence_is_trls(beta):
    from trl.experimental.gkd import GKDTrainer

    own, others = torch.randn(2, 3, 11, generator=torch.manual_seed(0)).unbind()
    wanted = GKDTrainer.generalized_jsd_loss(own, others, beta=beta, reduction="none").sum(-1)
    assert torch.allclose(divergence(own, others, beta), wanted, atol=1e-6)


def teacher_of(folder):
    return str(tiny_model(folder / "teacher", initializer_range=0.3, hidden_size=32, pad_token_id=2))


def test_three_updates_in_float64(tmp_path, monkeypatch):
    """The mean over an update's completion tokens of beta KL(T, M) + (1 - beta) KL(S, M), end tokens
    included."""
    from scripts.lib.models.loading import load_causal

    given = golden.write_flags(tmp_path)
    given["samples"] = given.pop("teacher_samples")
    given |= golden.write_validation(tmp_path) | {"teacher": teacher_of(tmp_path)}
    scripted(monkeypatch, [0.1, 0.2, 0.3])
    call(main, **given, lmbda=0.0, beta=0.3, max_length=24, answers_per_query=0)
    texts = golden.Texts(given["model"])
    network, teacher = load_causal(given["model"]).double(), load_causal(given["teacher"]).double()
    learnt = [("q0", 0), ("q1", 0), ("q1", 1), ("q2", 0), ("q3", 0), ("q4", 0)]

    def loss() -> torch.Tensor:
        total, tokens = 0.0, 0
        for query, sample in learnt:
            prompt, completion = texts.prompt(query), texts.completion("teacher", query, sample)
            ids = torch.tensor([prompt + completion])
            own, wanted = network(input_ids=ids).logits[0].softmax(-1), teacher(input_ids=ids).logits[0]
            wanted = wanted.softmax(-1).detach()
            middle = 0.3 * wanted + 0.7 * own
            for at in range(len(prompt), len(prompt) + len(completion)):
                first, second, both = wanted[at - 1], own[at - 1], middle[at - 1]
                total += 0.3 * (first * (first / both).log()).sum()
                total += 0.7 * (second * (second / both).log()).sum()
                tokens += 1
        return total / tokens

    expected = golden.updates(network, loss, [golden.RATE, golden.RATE * 2 / 3, golden.RATE / 3])
    golden.agree(given, expected, best=3)


def test_a_kill_changes_nothing_and_what_is_drawn_depends_on_the_seed(tmp_path, tiny, monkeypatch):
    given = flags(tmp_path, tiny, lmbda=1.0, max_tokens=6, teacher=teacher_of(tmp_path))
    del given["grades"]

    def trained(name, **more):
        made = outputs(tmp_path / name, tmp_path / f"state-{name}")
        call(main, **given | more, **made)
        return made["metrics"].read_text(), (made["output"] / "model.safetensors").read_bytes()

    scripted(monkeypatch, [0.1, 0.2, 0.9])
    whole = trained("whole")
    scripted(monkeypatch, [0.1, 0.2, 0.9], kill_at=2)
    with pytest.raises(Killed):
        trained("killed")
    scripted(monkeypatch, [0.2, 0.9])
    assert trained("killed") == whole
    scripted(monkeypatch, [0.1, 0.2, 0.9])
    assert trained("other", seed=4) != whole


def test_models_that_cut_text_otherwise_are_refused():
    def words(text):
        return {"input_ids": [len(word) for word in text.split()]}

    check_alike(words, words, ["a bc"])
    with pytest.raises(UserError, match="cut text into other tokens"):
        check_alike(words, lambda text: {"input_ids": [1, 1]}, ["a bc"])
