"""The faults we keep (faults.tsv, one per line), and which tests must notice them."""

from pathlib import Path

from tests.faults.trial import Fault

TABLE = Path(__file__).with_name("faults.tsv")
"""Columns file, old, new, meaning; a line's end within a text is `\\n`."""

PPO = ("lib/training/ppo", "train/test_train_ppo.py")
SFT = ("train/test_train_sft.py",)
DPO = ("train/test_train_dpo.py",)
REWARD = ("train/test_train_reward.py",)
STORE = ("lib/samples", "sample/test_sample.py")
TESTS: dict[str, tuple[str, ...]] = {
    "rules/common.smk": ("workflow/test_rules.py", "workflow/test_rule_costs.py", "lib/workflow"),
    "scripts/lib/config/methods.py": ("lib/config", "lib/workflow", "workflow/test_rules.py"),
    "scripts/lib/engines/base.py": STORE,
    "scripts/lib/evaluation/alpaca.py": ("score/test_alpaca_eval.py", "score/test_model_outputs.py"),
    "scripts/lib/evaluation/lm_eval.py": ("score/test_export_lm_eval.py",),
    "scripts/lib/process/checkpoint_dir.py": (*REWARD, *PPO),
    "scripts/lib/report/numbers": ("lib/report/numbers", "report"),
    "scripts/lib/report/sections": ("lib/report/sections", "report"),
    "scripts/lib/samples": STORE,
    "scripts/lib/samples/read.py": ("label/test_read_answers.py", "label/test_label.py"),
    "scripts/lib/tasks/reading": ("lib/tasks",),
    "scripts/lib/training": ("lib/training", *SFT, *REWARD, *DPO),
    "scripts/lib/training/dpo.py": DPO,
    "scripts/lib/training/ppo": PPO,
    "scripts/lib/training/reward.py": (*REWARD, "train/test_evaluate_reward.py"),
    "scripts/lib/training/settings/ppo.py": ("lib/training/test_settings.py", *PPO),
    "scripts/lib/workflow/layout.py": ("lib/workflow", "workflow/test_rules.py", "lib/report"),
    "scripts/train/train_ppo.py": PPO,
}
"""By file, or folder of files, where their mirror in tests/ is not all that must notice."""


def tests_of(file: str) -> tuple[str, ...]:
    """The tests of a file, below tests/: its own line in TESTS, or its mirror, or its folder's line."""
    path = Path(file)
    mirror = str(Path(*path.parts[1:]).with_name(f"test_{path.name}"))
    if file not in TESTS and (TABLE.parents[1] / mirror).exists():
        return (mirror,)
    return next(TESTS[str(place)] for place in (path, *path.parents) if str(place) in TESTS)


def faults() -> list[Fault]:
    """All of them, in the order of the table."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    rows = ([text.replace("\\n", "\n") for text in line.split("\t")] for line in lines)
    return [Fault(*row, tests_of(row[0])) for row in rows]
