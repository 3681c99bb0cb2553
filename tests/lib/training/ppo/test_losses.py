"""Every formula against a scalar re-computation."""

import math

import pytest

torch = pytest.importorskip("torch")

from scripts.lib.training.ppo import losses  # noqa: E402


def rows(*lengths: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    draw = lambda: torch.randn(shape, generator=generator)  # noqa: E731
    return mask, draw


def test_gae_against_the_definition():
    mask, draw = rows(1, 3, 5)
    rewards, values = draw().masked_fill(~mask, 0), draw()
    advantages, returns = losses.gae(rewards, values, mask, gamma=0.9, lam=0.8)
    for i, length in enumerate(mask.sum(1).tolist()):
        v, r = [*values[i, :length].tolist(), 0.0], rewards[i].tolist()
        for t in range(length):
            expected = sum((0.9 * 0.8) ** (k - t) * (r[k] + 0.9 * v[k + 1] - v[k]) for k in range(t, length))
            assert advantages[i, t].item() == pytest.approx(expected, abs=1e-5)
            assert returns[i, t].item() == pytest.approx(expected + v[t], abs=1e-5)
    assert not advantages[~mask].any()


def test_gae_does_not_read_the_padding():
    mask, draw = rows(2, 4)
    rewards, values = draw().masked_fill(~mask, 0), draw()
    once = losses.gae(rewards, values, mask, 1.0, 0.95)[0]
    assert torch.equal(once, losses.gae(rewards, values.masked_fill(~mask, 9.0), mask, 1.0, 0.95)[0])


def test_a_score_one_over_values_of_a_fifth_has_advantage_four_fifths():
    """TRL, whose score sits on the padding after the end, gets 0.76 here."""
    mask = torch.ones(1, 1, dtype=torch.bool)
    rewards = losses.token_rewards(torch.tensor([1.0]), mask, None, 0.0)
    assert losses.gae(rewards, torch.full((1, 1), 0.2), mask, 1.0, 0.95)[0].item() == pytest.approx(0.8)


def test_token_rewards():
    mask, draw = rows(1, 3)
    kl = draw()
    rewards = losses.token_rewards(torch.tensor([2.0, -5.0]), mask, kl, 0.1)
    assert rewards[0].tolist() == pytest.approx([2.0 - 0.1 * kl[0, 0].item(), 0, 0])
    assert rewards[1].tolist() == pytest.approx(
        [-0.1 * k for k in kl[1, :2].tolist()] + [-5 - 0.1 * kl[1, 2].item()]
    )


def test_whitening_is_over_the_whole_batch_and_only_real_tokens():
    mask, draw = rows(2, 5, 3)
    values = draw() * 3 + 7
    white = losses.whiten(values, mask)
    assert white[mask].mean().item() == pytest.approx(0, abs=1e-6)
    assert white[mask].var(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert not white[~mask].any()


def test_policy_loss_against_scalars():
    new, old = torch.tensor([0.0, 0.5, -0.5, 0.5, -0.5]), torch.zeros(5)
    advantages = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0])
    loss, clipped = losses.policy_loss(new - old, advantages, 0.2)
    expected = [
        -min(math.exp(x) * a, min(max(math.exp(x), 0.8), 1.2) * a)
        for x, a in zip(new.tolist(), advantages.tolist(), strict=True)
    ]
    assert loss.tolist() == pytest.approx(expected)
    assert clipped.tolist() == [False, True, False, False, True]


def test_the_clip_stops_the_gradient_only_where_the_policy_has_gone_far_enough():
    new = torch.tensor([0.5, 0.5], requires_grad=True)
    losses.policy_loss(new, torch.tensor([1.0, -1.0]), 0.2)[0].sum().backward()
    assert new.grad[0] == 0 and new.grad[1] > 0


def test_value_loss_against_scalars():
    values, old, returns = torch.tensor([1.0, 0.1, -1.0]), torch.zeros(3), torch.tensor([1.0, 0.0, 1.0])
    loss, clipped = losses.value_loss(values, old, returns, 0.2)
    assert loss.tolist() == pytest.approx([0.5 * 0.8**2, 0.5 * 0.1**2, 0.5 * 2.0**2])
    assert clipped.tolist() == [True, False, False]


def test_kl_estimates_average_to_the_divergence_and_so_do_the_gradients_of_the_loss():
    """Over a whole vocabulary, weighted by the policy that samples: both estimators, value and gradient."""
    torch.manual_seed(0)
    logits, anchor = torch.randn(7, requires_grad=True), torch.log_softmax(torch.randn(7), 0)
    old = torch.log_softmax(torch.randn(7), 0)
    log_probs = torch.log_softmax(logits, 0)
    exact = (log_probs.exp() * (log_probs - anchor)).sum()
    gradient = torch.autograd.grad(exact, logits, retain_graph=True)[0]
    for estimator in ("k1", "k3"):
        estimate = (log_probs.exp() * losses.kl_estimate(log_probs, anchor, estimator)).sum()
        assert estimate.item() == pytest.approx(exact.item(), abs=1e-6)
        weighted = (old.exp() * losses.kl_loss(log_probs, old, anchor, estimator)).sum()
        assert weighted.item() == pytest.approx(exact.item(), abs=1e-6)
        assert torch.allclose(
            torch.autograd.grad(weighted, logits, retain_graph=True)[0], gradient, atol=1e-6
        )
    assert (losses.kl_estimate(log_probs, anchor, "k3") >= 0).all()


def test_literal_eq_12_has_no_gradient_at_the_first_step():
    log_probs = torch.tensor([-1.0, -2.0], requires_grad=True)
    old = log_probs.detach()
    losses.kl_loss(log_probs, old, old, "k3").sum().backward()
    assert not log_probs.grad.any()


def test_explained_variance():
    returns = torch.tensor([1.0, 2.0, 3.0])
    assert losses.explained_variance(returns, returns) == 1.0
    assert losses.explained_variance(torch.ones(3), returns) == pytest.approx(0.0)
    assert losses.explained_variance(torch.ones(3), torch.ones(3)) == 0.0
