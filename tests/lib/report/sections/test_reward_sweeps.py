"""Figures 7 and 8 on the page: a bar per ratio and measure, a point per lambda."""

import json
from types import SimpleNamespace

from scripts.lib.report.sections.reward_sweeps import section
from scripts.lib.report.study import Study


def test_bars_are_ratios_and_points_are_weights(tmp_path):
    rewards, config = [], {}
    for number, (name, lam, ratio) in enumerate(
        (("ours", 0.5, None), ("lam_1", 1.0, None), ("ratio_1", 0.5, 1.0), ("ratio_0", 0.5, 0.0))
    ):
        config[name] = {"pairs": {"teacher_ratio": ratio}, "training": {"lam": lam}}
        values = {"teacher_over_wrong": (60 + number) / 100, "teacher_over_student": (40 + number) / 100}
        table = {
            key: {"value": each, "n": 90, "low": each - 0.1, "high": each + 0.1}
            for key, each in values.items()
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(table), encoding="utf-8")
        rewards.append(SimpleNamespace(reward=name, table9=path))
    study = Study("", "", {"rewards": config}, [], [], [SimpleNamespace(name="a chain", rewards=rewards)], [])
    ratios, weights = section(study).content
    assert [(each["cluster"], each["bar"], each["value"]) for each in ratios.panels[0].records] == [
        ("Pos/Neg", "0", 0.63), ("Pos/Neg", "1", 0.62), ("Pos/Pos", "0", 0.43), ("Pos/Pos", "1", 0.42),
    ]  # fmt: skip
    assert [panel.name for panel in weights.panels] == ["Pos/Neg, %", "Pos/Pos, %"]
    assert [(each["x"], each["y"]) for each in weights.panels[0].records] == [(0.5, 0.6), (1.0, 0.61)]
    assert weights.panels[0].records[0]["high"] == 0.7


def test_a_study_whose_rewards_are_alike_has_no_such_section():
    assert section(Study("", "", {"rewards": {}}, [], [], [], [])) is None
