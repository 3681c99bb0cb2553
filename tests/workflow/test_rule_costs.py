"""Every rule of the workflow has a cost; one that is forgotten is an error."""

from pathlib import Path

import pytest

pytest.importorskip("snakemake")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import WORLD, read
from scripts.lib.workflow.costs import TABLES, Costs
from scripts.lib.workflow.sizes import sized

NAMES = {
    "dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "reward": "ours", "warmup": "wo_r",
    "model": "tiny-teacher", "benchmark": "gsm8k", "study": "table3", "seed": "0",
    "evaluated": "teacher=llama3-70b",
}  # fmt: skip
VARIANTS = {"train_sft": "wo_r", "train_dpo": "dpo"}


def test_every_rule_has_a_cost(steps) -> None:
    rules = {rule.name for rule in steps}
    assert {"world", "train_ppo"} < rules and rules > TABLES
    costs = Costs(sized(parse(read(WORLD, Path("config/paper.yaml")))))
    for rule in sorted(rules):
        cost = costs.of(rule, NAMES | {"variant": VARIANTS.get(rule, "ours")})
        assert cost.seconds > 0 and cost.mem_mb > 0, rule


def test_a_rule_without_a_cost_is_an_error() -> None:
    costs = Costs(sized(parse(read(WORLD))))
    with pytest.raises(KeyError, match="rule polish has no cost"):
        costs.of("polish", NAMES)
