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


def to_csv(records: Sequence[Record]) -> str:
    """The records as CSV, with the columns of all of them in the order in which they come; None is empty."""
    columns = list(dict.fromkeys(column for record in records for column in record))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
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
