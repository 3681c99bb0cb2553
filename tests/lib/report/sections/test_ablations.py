"""The ablations of a study: which are shown, against what, and what is said to be missing."""

import pytest

from scripts.lib.report.numbers.results import scoreboards
from scripts.lib.report.sections import ablations
from scripts.lib.report.study import Study, read_study
from tests.support.report_fixture import make_study

ACCURACY = {"icl": 0.5, "sft": 0.7, "wo_r": 0.72, "wo_d": 0.8, "orm_t": 0.74, "unchecked": 0.85, "ours": 0.9}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    return read_study(make_study(folder, seeds=(0, 1), train=5, test=60, accuracy=ACCURACY))


def test_each_table_is_against_its_own_baseline_in_the_papers_order(study):
    alone, designs, checks = ablations.section(study).content
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in alone.groups[0].rows}
    assert list(rows) == ["Teacher", "ICL", "Ours w/o D", "SFT"] and rows["Teacher"][0] == "not run"
    assert alone.columns[2] == "Against ICL, points" and rows["ICL"][1] == "–"
    (board,) = scoreboards(study)
    accuracy = {variant: result.accuracy for variant, result in board.results.items()}
    assert rows["SFT"][1] == f"{100 * (accuracy['sft'] - accuracy['icl']):+.1f}"
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in designs.groups[0].rows}
    assert list(rows) == ["Ours w/o R", "ORM-T", "ORM-S", "ORM-S + CC", "Our RM without CC", "Ours"]
    assert rows["Ours"][1] == f"{100 * (accuracy['ours'] - accuracy['wo_r']):+.1f}"
    assert rows["ORM-S"][0] == "not run"
    assert "p: corrected for the table's 3 comparisons (Holm); intervals are not." in designs.notes
    (panel,) = checks.panels
    assert [record["bar"] for record in panel.records] == ["Ours", "None"]
    assert (
        panel.records[0]["value"] == accuracy["ours"] and panel.records[0]["low"] == board.results["ours"].low
    )


def test_the_papers_numbers_stand_in_their_own_column(study, monkeypatch):
    monkeypatch.setattr(ablations, "of_board", lambda *_: {"orm_s": "64.90", "ours": "66.03"})
    designs = ablations.section(study).content[1]
    rows = {row[0].text: [cell.text for cell in row[1:3]] for row in designs.groups[0].rows}
    assert designs.columns[2] == "Paper, %" and rows["ORM-S"] == ["not run", "64.90"]
    assert rows["Ours"][1] == "66.03" and rows["ORM-T"][1] == "–"


def test_a_study_without_an_ablation_has_no_such_section(tmp_path):
    made = make_study(tmp_path, seeds=(0,), train=5, test=20, accuracy={"sft": 0.7, "ours": 0.9})
    assert ablations.section(read_study(made)) is None
