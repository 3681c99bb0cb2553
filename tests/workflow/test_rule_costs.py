"""Every rule of the workflow has a cost; one that is forgotten is an error."""

from pathlib import Path

import pytest

pytest.importorskip("snakemake")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import WORLD, read
from scripts.lib.workflow.costs import Costs
from scripts.lib.workflow.sizes import sized

NAMES = {
    "dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "reward": "ours", "warmup": "wo_r",
    "model": "tiny-teacher", "benchmark": "gsm8k", "study": "table3", "seed": "0",
    "evaluated": "teacher=llama3-70b",
}  # fmt: skip
VARIANTS = {"train_sft": "wo_r", "train_dpo": "dpo", "train_gkd": "gkd"}


def test_every_rule_has_a_cost_of_its_own_or_is_a_small_cpu_step(workflow, steps) -> None:
    costs = Costs(sized(parse(read(WORLD, Path("config/paper.yaml")))))
    small = workflow.globals["small"]["mem_mb"]
    alone = {rule.name for rule in steps if rule.ruleinfo.resources[1]["mem_mb"] is not small}
    assert {"world", "train_ppo", "sample_teacher_shard"} < alone < {rule.name for rule in steps}
    for name in sorted(alone):
        cost = costs.of(name, NAMES | {"variant": VARIANTS.get(name.removesuffix("_candidates"), "ours")})
        assert cost.seconds > 0 and cost.mem_mb > 0, name


def test_a_small_step_runs_in_the_driver_environment(workflow, steps) -> None:
    """Without a GPU; but for what is fetched or made untrained, which needs the packages of models."""
    small = workflow.globals["small"]["mem_mb"]
    steps = [rule for rule in steps if rule.ruleinfo.resources[1]["mem_mb"] is small]
    elsewhere = {rule.name for rule in steps if not str(rule.conda_env).endswith("driver.yaml")}
    assert elsewhere == {"fetch", "make_model"}


def test_a_rule_without_a_cost_is_an_error() -> None:
    costs = Costs(sized(parse(read(WORLD))))
    with pytest.raises(KeyError, match="rule polish has no cost"):
        costs.of("polish", NAMES)
