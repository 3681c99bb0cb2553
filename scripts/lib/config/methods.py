"""Training methods: one record for each. Nothing else names one.

A new method is a class of settings (scripts/lib/training/settings/), a step
`scripts/train/train_<method>.py`, a block and its place in `Variant` (`variants.py`), and its record in
`METHODS`. The report reads records: nothing is imported here that checks a config.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from scripts.lib.workflow.costs import Cost, Costs


@dataclass(frozen=True)
class Method:
    """What the rules, the plan and the report look up about a method of training."""

    name: str
    """In the report's titles."""
    task: str
    """What the rule says it does."""
    reads: tuple[
        Literal["answers", "teacher", "preferences", "labels", "reward_model", "judge", "validation"], ...
    ]
    """What the step takes beside queries, prompt and the model that it starts from (rules/train.smk)."""
    cost: Callable[[Costs, dict[str, str]], Cost]
    """Of a job, by its wildcards."""
    trains: Literal["variant", "reward"] = "variant"
    """The block of the config that it trains."""
    panels: tuple[tuple[str, str, bool], ...] = ()
    """Of the report's figure of its training: a key of its metrics, a title, whether it is a share."""


VALIDATED = (
    ("eval_accuracy", "Validation accuracy, %", True),
    ("eval_agreement", "Validation: agrees with the vote, %", True),
    ("eval_unparsed_rate", "Validation: no answer, %", True),
)
"""Panels of a training whose checkpoints answer validation questions."""

METHODS = {
    "sft": Method(
        name="SFT",
        task="Fine-tune a student on the teacher's answers, all or the good ones (Eq. 2, 3), or on its own",
        reads=("answers", "validation"),
        cost=lambda costs, row: costs.supervised(row, costs.answers(row), texts=1, passes=3),
        panels=(*VALIDATED, ("loss", "Training loss", False), ("entropy", "Entropy, nats per token", False)),
    ),
    "gkd": Method(
        name="GKD",
        task="Distil the teacher's logits, on its answers and the student's own",
        reads=("answers", "teacher", "validation"),
        cost=lambda costs, row: costs.distillation(row),
        panels=(*VALIDATED, ("loss", "Divergence from the teacher, per token", False)),
    ),
    "reward": Method(
        name="Reward model",
        task="Train the reward model from the warm student (Eq. 7-9)",
        reads=("preferences",),
        cost=lambda costs, row: costs.supervised(row, costs.pairs(row), texts=2, passes=3),
        trains="reward",
        panels=(
            ("loss", "Training loss", False),
            ("eval_loss", "Validation loss", False),
            ("eval_accuracy", "Validation pairs ranked rightly, %", True),
        ),
    ),
    "ppo": Method(
        name="PPO",
        task="Refine the warm student under the augmented reward (Eq. 10-12)",
        reads=("labels", "reward_model", "judge", "validation"),
        cost=lambda costs, row: costs.policy_optimisation(row),
        panels=(
            ("validation_accuracy", "Validation accuracy, %", True),
            ("validation_agreement", "Validation: agrees with the vote, %", True),
            ("validation_reward", "Validation reward, mean", False),
            ("agreement", "Agrees with the label, %", True),
            ("reward_model", "Reward model's score r, mean", False),
            ("no_answer", "Paid −5: no answer, %", True),
            ("lowered", "Lowered to min(r, 0), %", True),
            ("reward", "Reward, mean", False),
            ("kl", "KL to the starting student, nats", False),
            ("entropy", "Entropy, nats per token", False),
            ("response_length", "Response length, tokens", False),
            ("truncated", "Cut off, %", True),
            ("duplicates", "Repeats the response to another query, %", True),
            ("explained_variance", "Value network: explained variance", False),
            ("value_loss", "Value loss", False),
            ("frac_reward_zero_std", "Queries whose responses all earned the same, %", True),
            ("reward_model_loss", "Discriminator's loss", False),
            ("reward_model_accuracy", "Discriminator: the teacher's answer above the response, %", True),
        ),
    ),
    "dpo": Method(
        name="DPO",
        task="Optimise the warm student on the pairs directly (Table 11)",
        reads=("preferences", "validation"),
        cost=lambda costs, row: costs.supervised(row, costs.pairs(row), texts=2, passes=4, frozen=1),
        panels=(
            *VALIDATED,
            ("loss", "Training loss", False),
            ("rewards/accuracies", "Training pairs ranked rightly, %", True),
            ("rewards/margins", "Implicit reward, chosen above rejected", False),
        ),
    ),
}
"""By name, in the order in which their results are needed. The step of "x" is `scripts.train.train_x`,
its rule `train_x`."""

REWARD = METHODS["reward"]
POLICIES = {name: method for name, method in METHODS.items() if "reward_model" in method.reads}
"""The methods that refine a student under a reward model: their metrics count iterations."""


def rule_of(method: str) -> str:
    """The rule that trains by a method."""
    return f"train_{method}"


REWARD_RULE = rule_of("reward")
BY_RULE = {rule_of(name): method for name, method in METHODS.items()}
