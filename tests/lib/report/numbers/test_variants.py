"""Names, order and baseline of the variants."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from scripts.lib.report.numbers.variants import algorithm, baseline, in_order, name
from scripts.lib.training.settings.ppo import PpoTraining


@pytest.mark.parametrize(
    ("method", "training", "named"),
    [
        ("sft", {}, "SFT"),
        ("ppo", {}, "PPO"),
        ("ppo", {"advantage_estimator": "grpo", "num_generations": 2}, "GRPO"),
        ("ppo", {"advantage_estimator": "rloo", "num_generations": 2}, "RLOO"),
        ("ppo", {"reward_learning_rate": 1e-5}, "GAD by PPO"),
    ],
)
def test_a_policys_settings_say_its_algorithm(method, training, named) -> None:
    settings = asdict(PpoTraining(**training)) if method == "ppo" else training
    study = SimpleNamespace(config={"variants": {"mine": {"method": method, "training": settings}}})
    assert algorithm(study, "mine") == named


def test_sft_is_the_baseline_and_without_it_the_warm_student() -> None:
    assert baseline(["icl", "sft", "wo_r", "ours"]) == "sft"
    assert baseline(["wo_r", "ours"]) == "wo_r"
    assert baseline(["icl", "ours"]) == "sft"


def test_tables_begin_with_the_papers_methods_and_end_with_a_users_own() -> None:
    found = in_order(["mine", "teacher", "ours", "another", "icl", "wo_d", "sft", "wo_r", "ours"])
    assert found == ["icl", "sft", "wo_r", "wo_d", "ours", "teacher", "another", "mine"]


def test_a_variant_has_its_name_in_the_paper_or_its_own() -> None:
    assert [name(each) for each in ("wo_r", "rlvr", "my_own")] == [
        "Ours w/o R",
        "Label reward only",
        "my own",
    ]
