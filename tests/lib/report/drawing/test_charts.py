"""Drawings: scales, escaping, and places that can be computed by hand."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.report.drawing.charts import LEFT, Series, line_panel, share_panel
from scripts.lib.report.drawing.dot_chart import DotChart, Mark, dot_axis
from scripts.lib.report.drawing.funnel import Bar, Piece
from scripts.lib.report.drawing.svg import plain, tag, ticks

finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.booleans())
def test_ticks_cover_the_range_with_a_few_steps(one, two, whole):
    low, high = sorted((one, two))
    found = ticks(low, high, 4, whole)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert found[0] <= low + slack and found[-1] >= high - slack and 2 <= len(found) <= 8
    assert not whole or all(tick == int(tick) for tick in found)


@pytest.mark.parametrize(
    ("value", "text"), [(1200, "1,200"), (-5, "−5"), (0.25, "0.25"), (2.0, "2"), (0.12345, "0.123")]
)
def test_numbers_are_short(value, text):
    assert plain(value) == text


def test_names_cannot_leave_their_place():
    nasty = '"><script>'
    drawing = line_panel(nasty, [Series(nasty, "c-0", [(0, 1), (1, 2)], (), True)], nasty).drawing
    root = ElementTree.fromstring(drawing)
    assert not [each for each in root.iter() if each.tag == "script"]
    assert root.attrib["aria-label"] == nasty
    assert tag("g", "<b>", class_="a&b") == '<g class="a&amp;b">&lt;b&gt;</g>'


def test_a_single_point_can_be_drawn():
    ElementTree.fromstring(line_panel("one", [Series("a", "c-0", [(3, 0.5)])], "step", shares=True).drawing)


def test_share_bars_add_up():
    root = ElementTree.fromstring(share_panel("votes", [(0.5, 10, 30), (1.0, 40, 0)], 0.7).drawing)
    bars = [each for each in root.iter("rect")]
    heights = [float(each.attrib["height"]) for each in bars]
    assert heights[0] + heights[1] == pytest.approx(heights[2], abs=0.02) and heights[3] == 0
    assert bars[0][0].text == "share 0.50: 10 right, 30 wrong, precision 25.0 %"


@pytest.mark.parametrize(("threshold", "first"), [(0.7, 2), (0.65, 1), (0.3, 0)])
def test_what_is_kept_begins_at_the_first_bar_above_the_threshold(threshold, first):
    root = ElementTree.fromstring(
        share_panel("votes", [(1 / 3, 1, 1), (2 / 3, 1, 1), (1.0, 1, 1)], threshold).drawing
    )
    (line,) = [each for each in root.iter("line") if each.attrib["class"] == "reference"]
    bars = [float(each.attrib["x"]) for each in root.iter("rect")][::2]
    assert float(line.attrib["x1"]) == pytest.approx(bars[first] - 1.5, abs=0.02)


def test_a_logarithmic_axis_has_a_tick_at_each_point_equal_factors_apart():
    series = Series("a", "c-0", [(100, 0.5), (1000, 0.6), (10_000, 0.7)], marked=True)
    drawing = line_panel("n", [series], "questions", log=True).drawing
    at = [float(x) for x in re.findall(r'd="M([\d.]+),[\d.]+m', drawing)]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1]) and at[0] == LEFT
    assert [text for text in ("100", "1,000", "10,000") if f">{text}<" in drawing] == [
        "100",
        "1,000",
        "10,000",
    ]


def test_dots_place_values_on_their_axis():
    marks = [Mark("a", "v-ours", 0.7, 0.6, 0.8), Mark("b", "", 0.5)]
    chart = DotChart("c", marks, dot_axis(marks))
    assert chart.place(chart.axis[0]) == "0.00%" and chart.place(chart.axis[-1]) == "100.00%"
    assert chart.place(-9) == "0.00%"
    assert chart.track(marks[0]).count("whisker") == 1 and chart.track(marks[1]).count("whisker") == 0


def test_a_bar_divides_its_width():
    bar = Bar("queries", [Piece("kept", 60, "kept"), Piece("tie", 40, "lost")])
    assert bar.total == 100 and bar.kept == 60
    widths = [each.attrib["width"] for each in ElementTree.fromstring(bar.drawing()).iter("rect")]
    assert widths == ["60.00%", "40.00%"]
    assert Bar("none", []).kept == 0


def test_whiskers_notes_and_the_diagonal_stand_where_the_numbers_say():
    points, bounds = [(0.5, 0.6), (0.9, 0.8)], [(0.4, 0.8), (0.7, 0.9)]
    series = Series("vote", "c-1", points, marked=True, bounds=bounds, notes=["n = 5", "n = 7"])
    panel = line_panel("reliability, %", [series], "share, %", shares=True, diagonal=True)
    root = ElementTree.fromstring(panel.drawing)
    whiskers = [each for each in root.iter("line") if each.attrib["class"] == "whisker c-1"]
    assert [each.attrib["x1"] for each in whiskers] == ["56.82", "313.18"], "off the axis"
    heights = [float(each.attrib["y1"]) - float(each.attrib["y2"]) for each in whiskers]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.02)
    assert [each.text for each in root.iter("text") if each.attrib["class"] == "note middle"] == [
        "n = 5",
        "n = 7",
    ]
    assert len([each for each in root.iter("line") if each.attrib["class"] == "reference"]) == 1
    assert panel.records[1] == {
        "series": "vote",
        "x": 0.9,
        "y": 0.8,
        "low": 0.7,
        "high": 0.9,
        "note": "n = 7",
    }


def test_a_long_line_has_a_marker_at_its_end_and_no_tooltip_between():
    root = ElementTree.fromstring(
        line_panel("kl", [Series("a", "c-2", [(x, x) for x in range(99)])], "x").drawing
    )
    assert not list(root.iter("circle"))
    (end,) = [each for each in root.iter("path") if each.attrib["class"] == "dot c-2"]
    assert end[0].text == "a: x 98, 98"
