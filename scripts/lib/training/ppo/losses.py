"""The formulas of PPO on token tensors (Eq. 12; Schulman et al. 2016, 2017; defaults as TRL's last
PPOTrainer, 1.12).

`[N, R]`: N episodes, R response positions, right-padded; `mask` marks real response tokens (a prefix of each
row, at least one token). `[n]`: the tokens of some episodes packed in a row; per-token losses are returned
unreduced, and the caller divides their sum by the token count of the whole mini-batch, over all micro-batches
and processes.
"""

import torch
from torch import Tensor


def kl_estimate(log_probs: Tensor, anchor: Tensor, estimator: str) -> Tensor:
    """KL(policy || anchor) per token from one sampled token: k1 = log p - log q, k3 = q/p - 1 - log(q/p),
    never negative.

    Both are unbiased under the policy that drew the token (http://joschu.net/blog/kl-approx.html).
    Any one shape.
    """
    log_ratio = log_probs - anchor
    return log_ratio if estimator == "k1" else torch.expm1(-log_ratio) + log_ratio


def token_rewards(scores: Tensor, mask: Tensor, kl: Tensor | None, kl_coef: float) -> Tensor:
    """Rewards [N, R]: the episode's score [N] at its last response token, less `kl_coef` * `kl` [N,
    R] at every token.

    TRL puts the score one position later, on padding, whose value then leaks into the advantages.
    """
    rewards = (
        torch.zeros_like(mask, dtype=scores.dtype) if kl is None else (-kl_coef * kl).masked_fill(~mask, 0.0)
    )
    last = mask.sum(1, keepdim=True) - 1
    return rewards.scatter_add(1, last, scores[:, None])


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Advantages and returns, each [N, R]: delta_t = r_t + gamma V_{t+1} - V_t, A_t = delta_t + gamma lam
    A_{t+1}.

    `rewards` are 0 at padding. `values` V_t is the value before token t; the value after the last token is 0;
    returns = A + V.
    """
    values = values.masked_fill(~mask, 0.0)
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        next_value = values[:, t + 1] if t + 1 < values.shape[1] else torch.zeros_like(values[:, 0])
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = delta + gamma * lam * following
        advantages[:, t] = following
    return advantages, advantages + values


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the real tokens of the whole batch [N, R] (TRL: of each process alone);
    0 elsewhere."""
    kept = values[mask]
    whitened = (values - kept.mean()) * torch.rsqrt(kept.var(correction=0) + 1e-8)
    return whitened.masked_fill(~mask, 0.0)


def group_advantages(paid: Tensor, num_generations: int, scale_rewards: str) -> Tensor:
    """GRPO's advantages [N] of what responses were paid, `num_generations` to a query in a row: less the
    query's mean, by a standard deviation (Shao et al. 2024; n - 1 and 1e-4 as TRL's GRPOTrainer)."""
    groups = paid.view(-1, num_generations)
    centred = (groups - groups.mean(1, keepdim=True)).flatten()
    if scale_rewards == "none":
        return centred
    spread = groups.std(1).repeat_interleave(num_generations) if scale_rewards == "group" else paid.std()
    return centred / (spread + 1e-4)


def leave_one_out_advantages(paid: Tensor, num_generations: int) -> Tensor:
    """RLOO's advantages [N]: less the mean of the query's other responses (Ahmadian et al. 2024)."""
    groups = paid.view(-1, num_generations)
    others = (groups.sum(1, keepdim=True) - groups) / (num_generations - 1)
    return (groups - others).flatten()


def response_weights(lengths: Tensor, loss_type: str, max_tokens: int) -> Tensor:
    """What a token of each of a mini-batch's responses [b] weighs; in a mean over all tokens (dapo) it is 1.

    grpo: every response weighs the same; dr_grpo: every token 1 / (b x max_tokens) (Liu et al. 2025).
    """
    mean = lengths.float().mean()
    if loss_type == "dr_grpo":
        return (mean / max_tokens).expand(len(lengths))
    return mean / lengths if loss_type == "grpo" else torch.ones_like(lengths, dtype=mean.dtype)


def whole_responses(values: Tensor, lengths: Tensor) -> Tensor:
    """At every token the sum over its response's: [n] of responses of `lengths` [b] in a row."""
    owner = torch.arange(len(lengths), device=values.device).repeat_interleave(lengths)
    return values.new_zeros(len(lengths)).index_add(0, owner, values)[owner]


def policy_loss(log_ratio: Tensor, advantages: Tensor, cliprange: float) -> tuple[Tensor, Tensor]:
    """Eq. 12, first term, negated: -min(m A, clip(m, 1 - eps, 1 + eps) A) with m = exp(log p - log p_old), of
    tokens or, for RLOO, of whole responses.

    All [n]. Returns the losses and where the clip binds (bool, [n]).
    """
    ratio = torch.exp(log_ratio)
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - cliprange, 1 + cliprange)
    return torch.maximum(plain, clipped), (clipped > plain).detach()


def kl_loss(log_probs: Tensor, old: Tensor, anchor: Tensor, estimator: str) -> Tensor:
    """Eq. 12, second term without its coefficient, per token [n]: KL(pi_theta || anchor).

    Tokens come from theta_old, hence the weight m_t: without it k1 has no gradient in expectation and k3 that
    of the reverse KL. Eq. 12 taken literally has anchor = old; its gradient then vanishes at the first step
    on a batch.
    """
    return torch.exp(log_probs - old) * kl_estimate(log_probs, anchor, estimator)


def value_loss(values: Tensor, old: Tensor, returns: Tensor, cliprange: float) -> tuple[Tensor, Tensor]:
    """0.5 max((V - R)^2, (clip(V, V_old +- eps) - R)^2), all [n]; and where the clip binds."""
    clipped = torch.maximum(torch.minimum(values, old + cliprange), old - cliprange)
    plain_error, clipped_error = (values - returns) ** 2, (clipped - returns) ** 2
    losses = 0.5 * torch.maximum(plain_error, clipped_error)
    return losses, (clipped_error > plain_error).detach()


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """1 - Var(R - V) / Var(R) over [n]; 1 is a perfect value network, 0 one no better than a constant."""
    variance = returns.var(correction=0)
    return float(1 - (returns - values).var(correction=0) / variance) if variance > 0 else 0.0
