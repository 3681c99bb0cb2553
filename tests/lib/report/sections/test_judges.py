"""Table 5 on the page: both verdicts of each strategy, and the paper's where it has them."""

import json
from types import SimpleNamespace

from scripts.lib.report.sections import judges
from scripts.lib.report.study import Study


def precision(value: float, n: int) -> dict:
    return {"value": value, "n": n, "low": value - 0.1, "high": value + 0.1}


def test_a_row_per_strategy_with_the_papers_number_of_the_same_class(tmp_path, monkeypatch):
    table = {
        "samples": 50,
        "judge": {"true": precision(0.8, 40), "false": precision(0.4, 10)},
        "vote": {"true": precision(0.9, 50), "false": {"value": None, "n": 0, "low": 0.0, "high": 1.0}},
    }
    path = tmp_path / "table5.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    theirs = {"called_right": {"judge": "86.6", "vote": "95.7"}, "called_wrong": {"judge": "48.0"}}
    monkeypatch.setattr(judges, "published", lambda study, metric, **place: theirs[metric])
    names = {"dataset": "gsm8k", "teacher": "large", "seed": 3}
    chains = [
        SimpleNamespace(**names, judge_vs_vote=path),
        SimpleNamespace(**names, judge_vs_vote=path),
        SimpleNamespace(**names, judge_vs_vote=None),
    ]
    (made,) = judges.section(Study("", "", {}, [], [], chains, [])).content
    (group,) = made.groups
    assert group.heading == "gsm8k: large, seed 3"
    assert made.columns[1:5] == [
        "Called right: it is, %", "Paper: right, %", "Called wrong: it is, %", "Paper: wrong, %",
    ]  # fmt: skip
    assert [[cell.text for cell in row] for row in group.rows] == [
        ["LLM-as-Judge", "80.0", "86.6", "40.0", "48.0", "50"],
        ["Majority voting", "90.0", "95.7", "–", "–", "50"],
    ]
    assert group.rows[0][1].detail == "70.0 to 90.0, n = 40"
    (tmp_path / "other.json").write_text(json.dumps(table), encoding="utf-8")
    chains.append(
        SimpleNamespace(**names | {"teacher": "b", "seed": 4}, judge_vs_vote=tmp_path / "other.json")
    )
    (both,) = judges.section(Study("", "", {}, [], [], chains, [])).content
    assert both.notes[0] == "Missing seeds: gsm8k: large lacks 4; gsm8k: b lacks 3."


def test_a_study_without_such_a_row_has_no_such_section():
    chain = SimpleNamespace(judge_vs_vote=None)
    assert judges.section(Study("", "", {}, [], [], [chain], [])) is None
