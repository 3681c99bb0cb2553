"""The faults we keep (faults.tsv, one per line), and which tests must notice them."""

from pathlib import Path

from tests.faults.trial import Fault

TABLE = Path(__file__).with_name("faults.tsv")
"""Columns file, old, new, meaning; a line's end within a text is `\\n`. A fifth may name a test that is tried
first: the one that notices, among slow ones."""

STEPS = tuple(f"train/test_train_{step}.py" for step in ("sft", "reward", "dpo"))
TESTS: dict[str, tuple[str, ...]] = {
    "rules": ("workflow/test_rules.py", "workflow/test_rule_costs.py", "lib/workflow"),
    "scripts/lib/config": ("lib/config", "lib/workflow", "workflow/test_rules.py"),
    "scripts/lib/engines": ("lib/samples", "sample/test_sample.py"),
    "scripts/lib/evaluation/alpaca.py": ("score/test_alpaca_eval.py", "score/test_model_outputs.py"),
    "scripts/lib/evaluation/lm_eval.py": ("score/test_export_lm_eval.py",),
    "scripts/lib/labels": ("label", "pair", "judge"),
    "scripts/lib/models": ("sample/test_sample.py",),
    "scripts/lib/process/linux.py": ("lib/runs/test_lock.py", "lib/process/test_lease.py"),
    "scripts/lib/report": ("lib/report", "report"),
    "scripts/lib/samples/read.py": ("label", "lib/samples"),
    "scripts/lib/samples": ("sample", "lib/samples", "label"),
    "scripts/lib/tasks": ("lib/tasks",),
    "scripts/lib/training": (*STEPS, "train/test_evaluate_reward.py"),
    "scripts/lib/training/dpo.py": (STEPS[2],),
    "scripts/lib/training/ppo": ("lib/training/ppo", "train/test_train_ppo.py"),
    "scripts/lib/training/reward.py": (STEPS[1], "train/test_evaluate_reward.py"),
    "scripts/lib/training/settings": ("lib/training/test_settings.py", *STEPS),
    "scripts/lib/training/settings/ppo.py": (
        "lib/training/test_settings.py",
        "lib/training/ppo",
        "train/test_train_ppo.py",
    ),
    "scripts/lib/workflow": ("lib/workflow", "workflow/test_rules.py", "lib/report"),
    "scripts/train/train_ppo.py": ("lib/training/ppo",),
}
"""Of a file, or of a folder's files: the tests that must notice, too, where the mirror in tests/ does not."""


def tests_of(file: str) -> tuple[str, ...]:
    """The tests of a file, below tests/: its mirror, and what TESTS says of it, else of its folder."""
    path = Path(file)
    mirror = Path(*path.parts[1:]).with_name(f"test_{path.name}")
    mirrors = (str(mirror),) if (TABLE.parents[1] / mirror).exists() else ()
    places = (str(place) for place in (path, *path.parents))
    return tuple(dict.fromkeys((*mirrors, *next((TESTS[place] for place in places if place in TESTS), ()))))


def faults() -> list[Fault]:
    """All of them, in the order of the table."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    rows = ([text.replace("\\n", "\n") for text in line.split("\t")] for line in lines)
    return [Fault(*row[:4], (*row[4:], *tests_of(row[0]))) for row in rows]
