"""Data that a page carries."""

import base64
import csv
import io

import pytest

from scripts.lib.report.drawing.content import Cell, Group, Table
from scripts.lib.report.drawing.data import FileNames, csv_uri, file_name, said, to_csv


def test_columns_are_those_of_all_records_and_what_is_missing_is_empty():
    assert to_csv([{"a": 1, "b": None}, {"a": 'x, "y"', "c": 0.5}]) == 'a,b,c\n1,,\n"x, ""y""",,0.5\n'
    assert to_csv([]) == "\n"


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("x")', "+1+1", "-cmd", "@sum", "\tx", "\rx", "-1-1", "-1 cmd|x", "-"]
)
def test_no_text_is_a_formula_to_a_spreadsheet(text):
    [(name, cell), (value, _)] = csv.reader(io.StringIO(to_csv([{text: text, "b": -1.5}]), newline=""))
    assert name == value == f"'{text}".replace("\r", "\n") and cell == "b"


@pytest.mark.parametrize("text", ["-1.5", "+2", "-3 %", "-1,000", "-1e-05", "-0.5 to 1.2", "58.8", "a=b", ""])
def test_numbers_and_other_texts_stand_as_they_are(text):
    assert next(csv.DictReader(io.StringIO(to_csv([{"a": text, "b": -1}])))) == {"a": text, "b": "-1"}


@pytest.mark.parametrize(
    ("text", "plain"), [("−1.5", "-1.5"), ("–", ""), ("1\u202fs", "1 s"), ("a–b", "a–b")]
)
def test_numbers_are_as_programs_read_them(text, plain):
    assert said(text) == plain


def test_what_is_set_small_has_a_column_of_its_own():
    rows = [[Cell("SFT"), Cell("58.8", "56.0 to 61.6")], [Cell("Ours"), Cell("99.3")]]
    records = Table("t", ["Method", "Accuracy"], [Group("world", rows)]).records()
    assert records[0] == {
        "group": "world", "Method": "SFT", "Accuracy": "58.8", "Accuracy (small)": "56.0 to 61.6",
    }  # fmt: skip
    assert list(records[1]) == ["group", "Method", "Accuracy"]


def test_an_uri_holds_the_file():
    head, data = csv_uri([{"a": "ü"}]).split("base64,")
    assert head == "data:text/csv;charset=utf-8;" and base64.b64decode(data).decode() == "a\nü\n"


def test_names_of_files_are_safe():
    assert file_name("Demo", "../x", "Ours: 100 % (é)") == "demo-x-ours-100.csv"
    assert len(file_name("a" * 200)) == 164


def test_no_two_files_of_a_page_have_one_name():
    name = FileNames()
    asked = ("Ours", "Ours", "Ours 2", "ours!", "SFT", "a" * 170 + "b", "a" * 170 + "c")
    given = [name("demo", each).removesuffix(".csv") for each in asked]
    assert given[:5] == ["demo-ours", "demo-ours-2", "demo-ours-2-2", "demo-ours-3", "demo-sft"]
    assert len(set(given)) == len(given)
