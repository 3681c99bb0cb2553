"""The table of the reward models' accuracies."""

import json
from types import SimpleNamespace

from scripts.lib.report.sections.reward_models import section
from scripts.lib.report.study import Study, read_study
from tests.support.report_fixture import make_study


def test_each_measure_stands_under_its_name_and_the_larger_class_beside_right_or_wrong(tmp_path):
    values = {"student_over_wrong": 0.72, "teacher_over_student": 0.43, "cls": 0.68}
    metrics = {name: {"value": value, "n": 90, "low": 0.4, "high": 0.8} for name, value in values.items()}
    metrics["cls"]["majority"] = 0.567
    metrics["teacher_over_wrong"] = {"value": None, "n": 0, "low": None, "high": None}
    (tmp_path / "table9.json").write_text(json.dumps(metrics))
    (tmp_path / "metrics.jsonl").write_text("")
    files = {"table9": tmp_path / "table9.json", "log": tmp_path / "metrics.jsonl", "held_out": None}
    trained = SimpleNamespace(reward="ours", **files)
    untrained = SimpleNamespace(reward="pairs only", **dict.fromkeys(files))
    names = {"name": "world, small", "dataset": "world", "teacher": "tiny", "student": "tiny", "seed": 7}
    chain = SimpleNamespace(**names, rewards=[untrained, trained])
    other = SimpleNamespace(**names | {"name": "world, large", "seed": 8}, rewards=[trained])
    (both, *_) = section(Study("", "", {}, [], [], [chain, other], [])).content
    assert both.notes[0] == "Missing seeds: world, small lacks 8; world, large lacks 7."
    (table,) = section(Study("", "", {}, [], [], [chain], [])).content
    assert not any("Missing" in note for note in table.notes)
    (row,) = table.groups[0].rows
    shown = dict(zip(table.columns, [cell.text for cell in row], strict=True))
    assert shown == {
        "Chain": "world, small",
        "Seed": "7",
        "T+ over S−, %": "–",
        "T+ over S+, %": "43.0",
        "S+ over S−, %": "72.0",
        "Right or wrong, %": "68.0",
        "Larger class, %": "56.7",
    }


def test_the_checkpoint_that_was_kept_is_marked_at_the_first_best_accuracy(tmp_path):
    study = read_study(make_study(tmp_path, seeds=(0,), train=30, test=10))
    rows = [{"step": step, "loss": 1.0} for step in (20, 40, 60, 80)]
    for row, accuracy in zip(rows, (0.6, 0.7, 0.7, 0.65), strict=True):
        row |= {"eval_loss": 1.0 - accuracy, "eval_accuracy": accuracy}
    study.chains[0].rewards[0].log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    figure = section(study).content[-1]
    assert figure.caption == "Ring: the chosen checkpoint."
    rings = [
        (record["x"], record["y"])
        for panel in figure.panels
        for record in panel.records
        if (record["series"], record.get("note")) == ("ours", "chosen")
    ]
    assert rings == [(40, 1.0), (40, 1.0 - 0.7), (40, 0.7)]
