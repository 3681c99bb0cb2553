"""The augmented reward of Eq. 10 (verifiable tasks) and Eq. 11 (open-ended ones), and the ablations of
App. E.5."""

import math
from collections.abc import Sequence

from scripts.lib.training.settings.ppo import RewardDesign

NO_ANSWER_REWARD = -5.0


def augmented_reward(score: float, answer: str | None, label: str | None, design: RewardDesign) -> float:
    """The reward of one response. Answers and labels are canonical strings:
    equality of strings is equivalence.

        answer | ours (Eq. 10) | minus | none | label (no reward model)
        none   | -5            | -5    | -5   | -5
        = y*   | r             | r     | r    | 1
        != y*  | min(r, 0)     | r - 1 | r    | 0

    `score` r is the reward model's; it is not read for a response without an answer
    ("terminate the evaluation"), nor by `label`. A response to a query without a pseudo-label (None) gets r:
    Eq. 11.
    """
    if answer is None:
        return NO_ANSWER_REWARD
    if design == "label":
        return float(answer == label)
    if design == "none" or label is None or answer == label:
        return score
    return min(score, 0.0) if design == "ours" else score - 1.0


def augmented_rewards(
    scores: Sequence[float], answers: Sequence[str | None], labels: Sequence[str | None], design: RewardDesign
) -> list[float]:
    """`augmented_reward` of each response."""
    return [augmented_reward(*row, design) for row in zip(scores, answers, labels, strict=True)]


def penalised(
    rewards: Sequence[float], truncated: Sequence[bool], missing_eos_penalty: float | None
) -> list[float]:
    """The rewards, less the penalty where a response was cut off before an end token (TRL's PPO, on its
    score)."""
    penalty = missing_eos_penalty or 0.0
    return [reward - penalty * cut for reward, cut in zip(rewards, truncated, strict=True)]


def pseudo_reward_error(
    scores: Sequence[float], answers: Sequence[str | None], right: Sequence[bool], design: RewardDesign
) -> dict[str, float]:
    """App. A on responses whose truth is known: the pseudo-reward r_p against the true one r*, 1 if `right`.

    r_p is the sigmoid of the reward without a label (Eq. 11), in 0..1 as r*. pseudo_reward: its mean, J_rp;
    pseudo_error: the mean of |r_p - r*|; pseudo_error_max: the largest, epsilon of Lemma A.1 so far as these
    responses show it.
    """
    rewards = augmented_rewards(scores, answers, [None] * len(scores), design)
    pseudo = [1 / (1 + math.exp(-reward)) for reward in rewards]
    errors = [abs(each - true) for each, true in zip(pseudo, right, strict=True)]
    return {
        "pseudo_reward": sum(pseudo) / len(pseudo),
        "pseudo_error": sum(errors) / len(errors),
        "pseudo_error_max": max(errors),
    }


def reward_parts(
    scores: Sequence[float],
    answers: Sequence[str | None],
    labels: Sequence[str | None],
    rewards: Sequence[float],
) -> dict[str, float | None]:
    """Eq. 10 taken apart, as means over the responses.

    reward: the augmented reward, before any penalty; reward_model: r where it was computed (null if nowhere);
    no_answer: share of -5; agreement: of the responses to queries with a pseudo-label the share with
        answer = y* (null if there are none); lowered: share whose r the consistency check lowered (under
        `ours`: r > 0, wrong).
    """
    n = len(rewards)
    rows = list(zip(scores, answers, labels, rewards, strict=True))
    scored = [score for score, *_ in rows if score == score]
    agreed = [answer == label for _, answer, label, _ in rows if label is not None]
    return {
        "reward": sum(rewards) / n,
        "reward_model": sum(scored) / len(scored) if scored else None,
        "no_answer": sum(answer is None for _, answer, _, _ in rows) / n,
        "agreement": sum(agreed) / len(agreed) if agreed else None,
        "lowered": sum(answer is not None and reward < score for score, answer, _, reward in rows) / n,
    }
