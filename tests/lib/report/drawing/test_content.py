"""Which columns of a table are words, and stand on the left."""

import re

from scripts.lib.report.drawing import page
from scripts.lib.report.drawing.content import Cell, Group, Headline, Section, Table
from scripts.lib.report.drawing.latex import latex

COLUMNS = ["Of", "Seed", "Alarm", "Time", "Accuracy, %"]
ROWS = [
    ["7", "0", "15 of 2000 queries have a label", "1 min 15 s", "–"],
    ["8", "0", "3", "58 s", "not run"],
]
SECTIONS = [
    Section("s", "S", "", [Table("t", COLUMNS, [Group("g", [[Cell(text) for text in row] for row in ROWS])])])
]


def test_words_stand_on_the_left_and_numbers_on_the_right() -> None:
    (table,) = SECTIONS[0].content
    assert table.words == [True, False, True, False, False]
    top = Headline("A study")
    assert "\n|:--|--:|:--|--:|--:|\n" in page.markdown("demo", "", top, SECTIONS)
    assert r"\begin{tabular}{lrlrr}" in latex("demo", SECTIONS)
    html = page.html("demo", "", top, SECTIONS)
    assert re.findall(r'<(th|td)[^>]* class="words">([^<]+)', html) == [
        ("th", "Alarm"),
        ("td", ROWS[0][2]),
        ("td", ROWS[1][2]),
    ]


def test_a_table_without_rows_has_names_alone() -> None:
    assert Table("t", ["Method", "p"], []).words == [True, False]


def test_every_table_of_a_page_is_a_file_of_its_own() -> None:
    html = page.html("demo", "", Headline("A study"), [*SECTIONS, *SECTIONS])
    assert re.findall('download="([^"]+)"', html) == ["demo-s-t.csv", "demo-s-t-2.csv"]
