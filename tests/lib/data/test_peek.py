"""The columns of a file, by its first row."""

import gzip
import json

import polars as pl
import pytest

from scripts.lib.data.peek import first_columns

ROWS = [{"question": "How many?", "options": ["a", "b"], "gold": "1"}, {"question": "More?", "other": "2"}]
WANTED = ["question", "options", "gold"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, ROWS)),
        "\ufeff \n" + json.dumps(ROWS[0]),
        json.dumps(ROWS),
        json.dumps(ROWS, indent=1),
        json.dumps({"version": 1, "data": ROWS}, indent=1),
    ],
    ids=["lines", "mark", "list", "list over lines", "object"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_json_in_every_form(tmp_path, text, packed) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert first_columns(path) == WANTED


def test_parquet(tmp_path) -> None:
    pl.DataFrame(ROWS[:1]).write_parquet(tmp_path / "file")
    assert first_columns(tmp_path / "file") == WANTED


@pytest.mark.parametrize("text", ["", "no json", '{"question": "cut', "[1, 2]", "\x1f\x8bdamaged"])
def test_what_cannot_be_told_is_left_to_the_step(tmp_path, text) -> None:
    (tmp_path / "file").write_text(text, encoding="latin-1")
    assert first_columns(tmp_path / "file") is None
    assert first_columns(tmp_path / "none") is None and first_columns(tmp_path) is None
