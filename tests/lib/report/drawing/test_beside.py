"""Columns of the paper's numbers: there where it has one, and explained; else not."""

from scripts.lib.report.drawing.beside import NOTE, beside
from scripts.lib.report.drawing.content import Cell, Group


def table(*paper: str):
    rows = [[Cell("Ours"), Cell("1"), Cell(each), Cell("2")] for each in paper]
    columns = ["Method", "Accuracy", "Paper, %", "p"]
    return beside("caption", columns, [Group("", rows[:1]), Group("more", rows[1:])], ["a note"])


def test_a_column_without_a_number_is_left_out_and_nothing_is_said():
    made = table("–", "–")
    assert made.columns == ["Method", "Accuracy", "p"] and made.notes == ["a note"]
    assert [[cell.text for cell in group.rows[0]] for group in made.groups] == [["Ours", "1", "2"]] * 2


def test_one_number_keeps_it_and_says_what_it_is():
    made = table("–", "66.03")
    assert made.columns[2] == "Paper, %" and made.notes == ["a note", NOTE]
    assert [group.rows[0][2].text for group in made.groups] == ["–", "66.03"]
