"""The panels of policy optimisation."""

from scripts.lib.config.methods import METHODS
from scripts.lib.training.ppo.reward import reward_parts


def test_the_panels_show_what_ppo_logs():
    logged = set(reward_parts([1.0], ["7"], ["7"], [1.0])) | {
        "kl",
        "validation_accuracy",
        "validation_agreement",
        "validation_reward",
        "reward",
        "entropy",
        "response_length",
        "truncated",
        "explained_variance",
        "value_loss",
        "duplicates",
        "frac_reward_zero_std",
        "reward_model_loss",
        "reward_model_accuracy",
    }
    assert {field for field, _, _ in METHODS["ppo"].panels} <= logged
