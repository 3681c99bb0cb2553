"""The data behind a table or figure, as a file that the page itself holds."""

import base64
import csv
import io
import itertools
import re
from collections.abc import Sequence

from scripts.lib.report.drawing.text import MINUS, NARROW

Record = dict[str, str | int | float | None]
"""A row of data by column."""


def said(text: str) -> str:
    """A shown number as programs read it: a plain minus and space, nothing for an en dash alone."""
    return "" if text == "–" else text.replace(MINUS, "-").replace(NARROW, " ")


_NUMBER = r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?\s?%?(?:\s[\w.,%\s-]*)?$"
"""A number, its unit or the rest of an interval: -1.5, -0.5 to 1.2."""
_FORMULA = re.compile(rf"(?=[=+\-@\t\r])(?!{_NUMBER})", re.I)
"""How a text begins that a spreadsheet would run, not show."""


def _shown(cell: str | int | float | None) -> str | int | float | None:
    """A cell as a file can hold it; a carriage return would end its row."""
    if not isinstance(cell, str):
        return cell
    text = f"'{cell}" if _FORMULA.match(cell) else cell
    return text.replace("\r\n", "\n").replace("\r", "\n")


def to_csv(records: Sequence[Record]) -> str:
    """The records as CSV, with the columns of all of them in the order in which they come; None is empty. A
    text that a spreadsheet would take for a formula stands behind an apostrophe."""
    columns = list(dict.fromkeys(column for record in records for column in record))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writerow({column: _shown(column) for column in columns})
    writer.writerows({column: _shown(cell) for column, cell in record.items()} for record in records)
    return file.getvalue()


def csv_uri(records: Sequence[Record]) -> str:
    """The records as a data: URI of a CSV file in UTF-8."""
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(to_csv(records).encode()).decode()


def file_name(*parts: str) -> str:
    """A name for a download: what of the parts every file system takes, 160 characters of it."""
    words = (re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)
    return "-".join(word for word in words if word)[:160].rstrip("-") + ".csv"


class FileNames:
    """Names of a page's downloads, as `file_name` makes them, but no two alike: a later one gets a number."""

    def __init__(self) -> None:
        self.given: set[str] = set()

    def __call__(self, *parts: str) -> str:
        first = file_name(*parts)
        others = (f"{first.removesuffix('.csv')}-{number}.csv" for number in itertools.count(2))
        name = next(name for name in itertools.chain([first], others) if name not in self.given)
        self.given.add(name)
        return name
