"""Bars: their heights and shades, their stacks, and the records behind them."""

import re
from xml.etree import ElementTree

import pytest

from scripts.lib.report.drawing.bars import Bar, Part, bar_panel, stacked_panel


def rects(panel) -> list[ElementTree.Element]:
    return ElementTree.fromstring(panel.drawing).findall("rect")


def test_a_bar_twice_as_high_is_twice_as_long_and_darker_with_its_shade():
    bars = [Bar("0", 0.4, 0.3, 0.5, 0.0), Bar("4", 0.8, 0.7, 0.9, 1.0)]
    panel = bar_panel("ranked", [("Pos/Neg", bars), ("Pos/Pos", bars[:1])])
    low, high, other = rects(panel)
    assert float(high.get("height")) == pytest.approx(2 * float(low.get("height")), rel=0.01)
    assert [each.get("fill-opacity") for each in (low, high, other)] == ["0.2", "1", "0.2"]
    assert len(re.findall("whisker", panel.drawing)) == 3
    assert "4: 80.0 (70.0 to 90.0)" in panel.drawing
    assert panel.records[1] == {"cluster": "Pos/Neg", "bar": "4", "value": 0.8, "low": 0.7, "high": 0.9}


def test_an_axis_that_does_not_begin_at_zero_holds_every_interval():
    (bar,) = rects(bar_panel("accuracy", [("check", [Bar("Ours", 0.66, 0.64, 0.68)])], zero=False))
    assert float(bar.get("y")) >= 0 and 0 < float(bar.get("height")) < 160


def test_parts_stand_on_one_another_as_shares_of_all():
    bars = [
        ("called wrong", [Part("wrong", 10, "wrong"), Part("right", 30, "right", False)]),
        ("called right", [Part("right", 60, "right"), Part("wrong", 0, "wrong", False)]),
    ]
    panel = stacked_panel("gsm8k", bars)
    wrong, right, best, none = rects(panel)
    assert float(right.get("y")) + float(right.get("height")) == pytest.approx(
        float(wrong.get("y")), abs=0.02
    )
    assert float(best.get("height")) == pytest.approx(6 * float(wrong.get("height")), rel=0.01)
    assert none.get("height") == "0"
    assert [each.get("class") for each in (wrong, right)] == ["bar wrong", "bar right against"]
    assert "called wrong, right: 30 (30.0 %)" in panel.drawing
    assert panel.records[1] == {"bar": "called wrong", "part": "right", "n": 30}
