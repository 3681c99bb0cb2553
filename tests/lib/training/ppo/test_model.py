"""Log-probabilities, values and scores against the plain way of computing them; right-padding without a
mask."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from accelerate import Accelerator  # noqa: E402

from scripts.lib.errors import UserError  # noqa: E402
from scripts.lib.training.ppo import model as module  # noqa: E402
from scripts.lib.training.ppo.model import (  # noqa: E402  # noqa: E402
    Episodes,
    Policy,
    Scorer,
    last_token_scores,
    load,
    load_value_model,
    micro_batches,
    per_token,
)

PROMPTS = [[1, 5, 6], [1, 5, 6, 7, 8], [1, 9]]
RESPONSES = [[10, 11, 2], [2], [12, 13, 14, 15, 16, 2]]


@pytest.fixture(scope="module")
def models(tiny):
    return load("policy", str(tiny), torch.float32), load_value_model(str(tiny), None, "", torch.float32)


@pytest.fixture
def episodes():
    return Episodes.of(PROMPTS, RESPONSES, "cpu")


def plain(model, temperature: float):
    """Per sequence, unpadded: log-probabilities and entropies of the response tokens."""
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0].float() / temperature
        log_softmax = logits.log_softmax(-1)[len(prompt) - 1 : -1]
        entropy = -(log_softmax.exp() * log_softmax).sum(-1)
        yield log_softmax.gather(1, torch.tensor(response)[:, None])[:, 0], entropy


@pytest.mark.parametrize("max_logits", [1 << 26, 100])
def test_log_probs_and_entropy_equal_log_softmax(models, episodes, monkeypatch, max_logits):
    """Right-padded without a mask, whole and in checkpointed parts."""
    monkeypatch.setattr(module, "MAX_LOGITS", max_logits)
    policy = Policy(models[0], 0.7)
    log_probs, entropy = policy(*episodes.batch([0, 1, 2]), entropy=True)
    expected = [torch.cat(column) for column in zip(*plain(models[0], 0.7), strict=True)]
    assert torch.allclose(log_probs, expected[0], atol=2e-5)
    assert torch.allclose(entropy, expected[1], atol=2e-5)


def test_parts_give_the_same_gradient(models, episodes, monkeypatch):
    policy = Policy(models[0], 1.0)
    gradients = []
    for max_logits in (1 << 26, 100):
        monkeypatch.setattr(module, "MAX_LOGITS", max_logits)
        policy.zero_grad()
        policy(*episodes.batch([0, 1, 2]))[0].sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.parameters()]))
    assert torch.allclose(*gradients, atol=1e-4)


def test_fused_head_of_trl_agrees(models, episodes):
    trainer = pytest.importorskip("trl.trainer.utils")
    import copy

    other = copy.deepcopy(models[0])
    trainer.add_fused_lm_head(other, temperature=0.7)
    ids, reads = episodes.batch([0, 1, 2])
    labels = torch.where(reads.roll(1, dims=1), ids, -100)
    expected = other(input_ids=ids, labels=labels, fused_lm_head=True)
    ours, _ = Policy(models[0], 0.7)(ids, reads)
    assert torch.allclose(ours, expected.log_probs[labels[:, 1:] != -100], atol=2e-5)


def test_padding_and_neighbours_change_nothing(models, episodes):
    policy = Policy(models[0], 1.0)
    accelerator = Accelerator(cpu=True)
    together = per_token(accelerator, episodes, [[0, 1, 2]], lambda *batch: policy(*batch)[:1])[0]
    alone = per_token(accelerator, episodes, [[2], [0], [1]], lambda *batch: policy(*batch)[:1])[0]
    assert torch.allclose(together, alone, atol=2e-5)
    assert together.shape == episodes.mask.shape and not together[~episodes.mask].any()


def test_values_are_read_before_each_token(models, episodes):
    critic = models[1]
    torch.nn.init.normal_(critic.score.weight)
    values = Scorer(critic)(*episodes.batch([0, 1, 2]))
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        hidden = critic.model(input_ids=torch.tensor([prompt + response])).last_hidden_state
        expected.append(critic.score(hidden)[0, len(prompt) - 1 : -1, 0])
    assert torch.allclose(values, torch.cat(expected), atol=2e-4)


def test_reward_is_the_models_own_pooled_logit(models):
    judge = models[1]
    judge.config.pad_token_id = 0
    torch.nn.init.normal_(judge.score.weight)
    sequences = [prompt + response for prompt, response in zip(PROMPTS, RESPONSES, strict=True)]
    scores = last_token_scores(Accelerator(cpu=True), Scorer(judge), sequences, 10)
    expected = [judge(input_ids=torch.tensor([sequence])).logits.item() for sequence in sequences]
    assert scores == pytest.approx(expected, abs=2e-4)
    assert last_token_scores(Accelerator(cpu=True), Scorer(judge), [], 10) == []


def test_value_network_without_a_reward_model_starts_at_zero(tiny, episodes):
    values = Scorer(load_value_model(str(tiny), None, "", torch.float32))(*episodes.batch([0, 1]))
    assert not values.any()


def test_a_policy_is_no_reward_model(tiny):
    with pytest.raises(UserError, match="no reward model"):
        load("reward", str(tiny), torch.float32)


def test_scaled_logits_are_refused(models, monkeypatch):
    monkeypatch.setattr(models[0].config, "final_logit_softcapping", 30.0, raising=False)
    with pytest.raises(UserError, match="final_logit_softcapping"):
        Policy(models[0], 1.0)


def test_micro_batches_keep_the_budget_every_row_and_even_shares():
    lengths = [5, 9, 2, 7, 7, 3, 8, 1]
    groups = micro_batches(lengths, [7, 0, 1, 2, 3, 4, 5, 6], budget=16, world=2)
    assert sorted(row for group in groups for row in group) == list(range(8))
    for group in groups:
        assert len(group) % 2 == 0
        assert len(group) // 2 * max(lengths[row] for row in group) <= 16
    assert groups[0][0] == 1
    assert micro_batches([50], [0], budget=16, world=1) == [[0]]
