"""Accuracies over what a study varies: by a name of the row, or by the teacher's accuracy."""

from types import SimpleNamespace

import pytest

from scripts.lib.report.sections import curve
from scripts.lib.report.study import Axis


def board(teacher: str, student: str, /, **accuracies: float) -> SimpleNamespace:
    results = {
        name: SimpleNamespace(accuracy=value, low=value - 0.1, high=value + 0.1, per_run=400)
        for name, value in accuracies.items()
    }
    return SimpleNamespace(
        dataset="world", teacher=teacher, student=student, benchmark="world", results=results
    )


BOARDS = [
    board("weak", "tiny", teacher=0.3, ours=0.4, sft=0.25),
    board("tiny", "tiny", teacher=0.6, ours=0.9, sft=0.55),
]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"weak": 3, "tiny": 10}, {"Ours": [(3, 0.4), (10, 0.9)]}),
        (None, {"Ours": [(0.3, 0.4), (0.6, 0.9)]}),
    ],
)
def test_a_variant_is_a_line_over_what_varies(monkeypatch, places, expected):
    monkeypatch.setattr(curve, "scoreboards", lambda study: BOARDS[::-1])
    drawn = []
    monkeypatch.setattr(curve.charts, "line_panel", lambda title, series, *_, **__: drawn.extend(series))
    made = curve.section(SimpleNamespace(axis=Axis("x", False, {"": places}), evaluations=[]))
    lines = {each.name: each.points for each in drawn}
    assert lines["Ours"] == [(pytest.approx(x), y) for x, y in expected["Ours"]]
    assert [each.bounds[0] for each in drawn if each.name == "Ours"] == [pytest.approx((0.3, 0.5))]
    assert ("Teacher" in lines) == (places is not None)
    assert made.content[0].legend[0].name == "SFT"


def test_a_study_without_an_order_has_no_curve():
    assert curve.section(SimpleNamespace(axis=None)) is None


def test_rows_of_one_place_may_stand_in_panels_of_their_own(monkeypatch):
    """As golds and votes that choose checkpoints, on a logarithmic axis: a tick at each place."""
    monkeypatch.setattr(curve, "scoreboards", lambda study: BOARDS)
    axis = Axis("questions", True, {"golds": {"weak": 100}, "votes": {"tiny": 100}, "none": {"other": 9}})
    (figure,) = curve.section(SimpleNamespace(axis=axis, evaluations=[])).content
    assert [panel.name for panel in figure.panels] == ["Accuracy, %: golds", "Accuracy, %: votes"]
    ours = {each["panel"]: each["y"] for each in figure.records() if each["series"] == "Ours"}
    assert ours == {"Accuracy, %: golds": 0.4, "Accuracy, %: votes": 0.9}
    assert [key.name for key in figure.legend] == ["SFT", "Ours", "Teacher"]


def test_what_weakens_the_points_is_said_below_the_curve(monkeypatch):
    """Of the scoreboards on the axis alone."""
    asked = []
    monkeypatch.setattr(curve, "scoreboards", lambda study: BOARDS)
    monkeypatch.setattr(curve, "caveats", lambda study, boards: asked.append(boards) or ["Few.", "Missing."])
    axis = Axis("questions", True, {"golds": {"weak": 100}})
    (figure,) = curve.section(SimpleNamespace(axis=axis, evaluations=[])).content
    assert figure.caption == "Few. Missing." and asked == [BOARDS[:1]]
