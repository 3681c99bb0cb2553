"""How checkpoints were chosen, on the page."""

import json
from pathlib import Path

from scripts.lib.report.sections.choices import section
from scripts.lib.report.study import Chain, Study, Training, read_study
from tests.support.report_fixture import make_study

PPO = [
    {"iteration": 0, "validation_agreement": 0.5, "validation_n": 40},
    {"iteration": 5, "validation_agreement": 0.75, "validation_n": 40},
    {"iteration": 9, "validation_agreement": 0.7, "validation_n": 40},
]
SFT = [{"step": 10, "eval_accuracy": 0.6, "eval_n": 400}, {"step": 20, "eval_accuracy": 0.9, "eval_n": 400}]
JUDGED = [{"iteration": 0, "validation_reward": 1.0, "validation_n": 40}]


def study(folder: Path, **logs: list[dict]) -> Study:
    trainings = []
    for variant, rows in logs.items():
        path = folder / f"{variant}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        trainings.append(Training(variant, "sft" if variant == "sft" else "ppo", path))
    chain = Chain("d", "t", "s", 3, "numeric", False, folder, folder, [], None, [], [], trainings)
    methods = {"sft": {"method": "sft"}, "ours": {"method": "ppo", "training": {}}}
    return Study("name", "", {"variants": methods}, [], [], [chain], [])


def test_a_row_a_training_with_its_doubt_and_the_mend(tmp_path: Path) -> None:
    made = section(study(tmp_path, ours=PPO, sft=SFT))
    (table,) = made.content
    sft, ours = [[(cell.text, cell.detail) for cell in row] for row in table.groups[0].rows]
    assert sft == [
        ("SFT", "SFT"), ("3", ""), ("accuracy against the golds", ""), ("400", ""), ("90.0", "86.7 to 92.6"),
        ("20", ""), ("2", ""), ("1", ""),
    ]  # fmt: skip
    assert ours == [
        ("Ours", "PPO"), ("3", ""), ("agreement with the teacher's votes", ""), ("40", "9 answers each"),
        ("75.0", "59.8 to 85.8"), ("5", ""), ("3", ""), ("2", ""),
    ]  # fmt: skip
    assert len(table.notes) == 2 and table.notes[1].startswith("40 validation questions choose")


def test_without_a_choice_there_is_no_section(tmp_path: Path) -> None:
    assert section(study(tmp_path)) is None
    assert section(study(tmp_path, ours=JUDGED)) is None


def test_a_reward_model_has_a_row_without_an_interval(tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path, seeds=(0,), train=60, test=10))
    (table,) = section(study).content
    pairs = json.loads(study.chains[0].rewards[0].funnel.read_text())["split"]["validation"]["pairs"]
    row = next(row for row in table.groups[0].rows if row[0].detail == "Reward model")
    assert [cell.text for cell in row[:3]] == ["ours", "0", "validation pairs ranked rightly"]
    assert row[3].detail == f"{pairs} pairs" and row[4].detail == ""
    assert [cell.text for cell in row[5:]] == ["100", "5", "–"]
    assert table.notes[-1].startswith("A reward model's pairs")
