"""The records of the training methods: each is whole, and nobody else names one."""

import ast
import importlib
import inspect
from dataclasses import is_dataclass
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.methods import BY_RULE, METHODS
from scripts.lib.config.variants import Dpo, Ppo, Sft, Variant
from tests.support.steps import bare
from tests.workflow.project import ROOT

NOT_TRAINED = {"icl", "teacher", "judge", "majority", "best_of_n"}


def test_every_method_of_a_variant_has_a_record() -> None:
    blocks = Variant.__args__[0].__args__
    named = {name for block in blocks for name in block.model_fields["method"].annotation.__args__}
    assert named == set(METHODS) | NOT_TRAINED


@pytest.mark.parametrize("rule", BY_RULE)
def test_the_step_of_a_method_is_told_its_settings(rule: str) -> None:
    main = importlib.import_module(f"scripts.train.{rule}").main
    training = inspect.signature(main, eval_str=True).parameters["training"]
    kind = bare(training.annotation)
    assert is_dataclass(kind) and training.default == kind()


def test_a_method_alone_means_the_papers_numbers() -> None:
    training = Sft(method="sft", answers="good").training
    assert (training.learning_rate, training.num_train_epochs, training.gpus) == (5e-6, 4, 4)


def test_only_good_answers_need_labels() -> None:
    answers = ({"answers": "good"}, {"answers": "all"}, {"answers": "student_good", "samples_of": "wo_r"})
    assert [Sft(method="sft", **given).needs_labels for given in answers] == [True, False, True]


def test_a_policy_learns_its_rewards_queries_or_those_of_another() -> None:
    own = {"method": "ppo", "warmup": "wo_r", "reward": "mine"}
    assert (Ppo(**own).pairs, Ppo(**own, queries_of="ours").pairs) == ("mine", "ours")
    assert Dpo(**own | {"method": "dpo"}).pairs == "mine"


def test_nothing_outside_the_records_and_steps_compares_a_method_by_name() -> None:
    for file in [*ROOT.glob("scripts/**/*.py")]:
        if file in (ROOT / "scripts/lib/config/methods.py", ROOT / "scripts/lib/config/variants.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare) and "method" in ast.unparse(node.left):
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not words & (set(METHODS) | NOT_TRAINED), f"{Path(file)}:{node.lineno}"


@pytest.mark.parametrize("method", METHODS)
def test_the_training_of_every_method_is_drawn(method: str) -> None:
    keys = {key for key, *_ in METHODS[method].panels}
    assert {"loss", "reward"} & keys, "what it learns by"
    validated = {"eval_accuracy", "validation_accuracy"}
    assert "validation" not in METHODS[method].reads or validated & keys, "what chooses its checkpoint"
