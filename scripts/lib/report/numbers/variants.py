"""The variants as tables name and order them."""

from collections.abc import Iterable

from scripts.lib.config.methods import METHODS, POLICIES
from scripts.lib.report.study import Study
from scripts.lib.training.settings.ppo import PpoTraining

NAMES = {
    "icl": "ICL",
    "sft": "SFT",
    "wo_r": "Ours w/o R",
    "wo_d": "Ours w/o D",
    "ours": "Ours",
    "teacher": "Teacher",
    "sft_matched": "SFT, matched compute",
    "rft": "RFT",
    "rft_2": "RFT, second round",
    "majority": "Ours w/o R, majority of n",
    "best_of_n": "Ours w/o R, best of n",
    "ours_2": "Ours, second round",
    "ours_3": "Ours, third round",
    "dpo": "DPO",
    "gkd": "GKD, with logits",
    "rlvr": "Label reward only",
    "grpo": "GRPO",
    "grpo_label": "GRPO, label reward only",
    "rloo_label": "RLOO, label reward only",
    "rloo": "RLOO",
    "gad": "GAD",
    "judge_reward": "Teacher's score as reward",
    "judge_token": "Teacher's yes or no as reward",
    "orm_t": "ORM-T",
    "orm_s": "ORM-S",
    "orm_s_checked": "ORM-S + CC",
    "unchecked": "Our RM without CC",
    "minus": "Our RM, r − 1 if wrong",
    "sft_1": "SFT, 1 good answer a query",
    "sft_2": "SFT, 2 good answers a query",
    "sft_5": "SFT, 5 good answers a query",
}
"""In the order of the tables: the paper's methods, teacher, controls, rewards of Table 6 and Figure 10,
amounts of Figure 11."""


def name(variant: str) -> str:
    """A variant as the tables call it."""
    return NAMES.get(variant, variant.replace("_", " "))


def algorithm(study: Study, variant: str) -> str:
    """What trained a variant: its method, of a policy the algorithm that its settings make of it."""
    block = study.config["variants"][variant]
    if block["method"] not in POLICIES:
        return METHODS[block["method"]].name
    training = PpoTraining(**block["training"])
    return f"GAD by {training.algorithm}" if training.adversarial else training.algorithm


def baseline(variants: Iterable[str]) -> str:
    """SFT where it was run, else w/o R."""
    return "wo_r" if "sft" not in variants and "wo_r" in variants else "sft"


def in_order(variants: Iterable[str]) -> list[str]:
    """Known variants in the order of the tables, then the others by name."""
    known = list(NAMES)
    return sorted(set(variants), key=lambda each: (known.index(each) if each in known else len(known), each))
