"""App. A on the page: a row per policy that has a reward model."""

from dataclasses import replace

import pytest

from scripts.lib.report.sections.guarantees import section
from scripts.lib.report.study import Study, read_study
from tests.support.report_fixture import make_study


def test_each_policy_has_its_bound_and_the_gain_that_came(tmp_path):
    accuracy = {"sft": 0.7, "ours": 0.9}
    study = read_study(make_study(tmp_path, seeds=(3,), train=5, test=9, accuracy=accuracy))
    (table,) = section(study).content
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.groups[0].rows}
    assert list(rows) == ["Ours w/o D", "Ours"], "the label alone has no reward model"
    seed, largest, before, after, pseudo, bound, mean_bound, gain, n = rows["Ours"]
    assert (seed, largest, n) == ("3", "93.0", "300")
    points = [float(each.replace("−", "-")) for each in (pseudo, bound, mean_bound, gain)]
    assert points[1] == pytest.approx(points[0] - 2 * 93, abs=0.2)
    assert points[2] == pytest.approx(points[0] - float(before) - float(after), abs=0.2)
    assert points[3] >= points[2]
    assert table.notes[0] == "Few questions: 300 tell an accuracy near 50 % to within 6 points."


def test_a_policy_without_a_seed_that_others_have_is_named(tmp_path):
    accuracy = {"sft": 0.7, "ours": 0.9}
    study = read_study(make_study(tmp_path, seeds=(3, 4), train=5, test=9, accuracy=accuracy))
    first = study.chains[0]
    kept = replace(first, trainings=[each for each in first.trainings if each.variant != "wo_d"])
    (table,) = section(replace(study, chains=[kept, *study.chains[1:]])).content
    assert "Missing seeds: Ours w/o D lacks 3." in table.notes


def test_nothing_measured_has_no_such_section():
    assert section(Study("", "", {}, [], [], [], [])) is None
