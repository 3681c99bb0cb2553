"""Accuracies over what a study varies: by a name of the row, or by the teacher's accuracy."""

from types import SimpleNamespace

import pytest

from scripts.lib.report.sections import curve


def board(teacher: str, student: str, /, **accuracies: float) -> SimpleNamespace:
    results = {
        name: SimpleNamespace(accuracy=value, low=value - 0.1, high=value + 0.1)
        for name, value in accuracies.items()
    }
    return SimpleNamespace(dataset="world", teacher=teacher, student=student, results=results)


BOARDS = [
    board("weak", "tiny", teacher=0.3, ours=0.4, sft=0.25),
    board("tiny", "tiny", teacher=0.6, ours=0.9, sft=0.55),
]


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ({"label": "votes", "at": {"weak": 3, "tiny": 10}}, {"Ours": [(3, 0.4), (10, 0.9)]}),
        ({"label": "teacher, %", "at": None}, {"Ours": [(0.3, 0.4), (0.6, 0.9)]}),
    ],
)
def test_a_variant_is_a_line_over_what_varies(monkeypatch, axis, expected):
    monkeypatch.setattr(curve, "scoreboards", lambda study: BOARDS[::-1])
    drawn = []
    monkeypatch.setattr(curve.charts, "line_panel", lambda title, series, *_, **__: drawn.extend(series))
    made = curve.section(SimpleNamespace(axis=axis))
    lines = {each.name: each.points for each in drawn}
    assert lines["Ours"] == [(pytest.approx(x), y) for x, y in expected["Ours"]]
    assert [each.bounds[0] for each in drawn if each.name == "Ours"] == [pytest.approx((0.3, 0.5))]
    assert ("Teacher" in lines) == (axis["at"] is not None)
    assert made.content[0].legend[0].name == "SFT"


def test_a_study_without_an_order_has_no_curve():
    assert curve.section(SimpleNamespace(axis=None)) is None
