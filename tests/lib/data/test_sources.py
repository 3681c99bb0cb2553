import gzip
import json

import polars as pl
import pytest

from scripts.lib.data.sources import find_column, find_files, read_rows
from scripts.lib.errors import UserError

ROWS = [{"question": "One?", "answer": "1"}, {"question": "Two?", "answer": "2"}]
JSONL = "\n".join(json.dumps(row) for row in ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", JSONL.encode()),
        ("rows.txt", ("\ufeff" + JSONL.replace("\n", "\r\n\r\n") + "\n").encode()),
        ("rows.jsonl.gz", gzip.compress(JSONL.encode())),
        ("rows.json", json.dumps(ROWS).encode()),
        ("rows.json", json.dumps({"version": 1, "data": ROWS}, indent=2).encode()),
        ("lines.json", JSONL.encode()),
    ],
)
def test_formats_are_recognised_by_content(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_rows(tmp_path / name)[0] == ROWS


def test_parquet(tmp_path):
    pl.DataFrame(ROWS).write_parquet(tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet")[0] == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"[]", "no rows"),
        (JSONL.encode() + b"\n{broken", "line 3: not JSON"),
        (b'{"question": "cut of', "line 1: not JSON"),
        (b'[{"question": 1},\n {"question"', "line 2: not JSON"),
        (JSONL.encode() + b"\n[1]", "line 3: not an object"),
        (b"[1, 2]", "row 1: not an object"),
        (b'{"question": "a"}\n{"question": "\xff"}', "line 2: not UTF-8"),
        (b"question,answer\n1,2", "neither JSONL, JSON nor Parquet"),
        (b"PAR1 torn", "not a readable Parquet"),
        (gzip.compress(JSONL.encode())[:-9], "damaged gzip"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "rows").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_rows(tmp_path / "rows")
    assert str(tmp_path / "rows") in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_as_the_hub_lays_it_out(tmp_path):
    for name in (
        "main/train-00000-of-00002.parquet",
        "main/train-00001-of-00002.parquet",
        "main/test-0.parquet",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "main/dataset_info.json").touch()
    assert [file.name[:11] for file in find_files(tmp_path, "train")] == ["train-00000", "train-00001"]
    with pytest.raises(UserError, match="no file of the split 'dev'"):
        find_files(tmp_path, "dev")
    (tmp_path / "socratic").mkdir()
    (tmp_path / "socratic/train-0.parquet").touch()
    with pytest.raises(UserError, match="several configurations.*main, socratic"):
        find_files(tmp_path, "train")
    with pytest.raises(UserError, match="does not exist"):
        find_files(tmp_path / "nowhere", "train")


def test_columns_are_found_or_the_nearest_is_named(tmp_path):
    rows = [{"prompt": "a"}, {"prompt": "b", "Question": "c"}]
    usual = ("question", "prompt")
    assert find_column(rows, None, usual, "question", tmp_path) == "prompt"
    assert find_column(rows, "Question", usual, "question", tmp_path) == "Question"
    assert find_column(rows, None, ("options",), "options", tmp_path) is None
    with pytest.raises(UserError, match="no column 'promt' for the question; did you mean 'prompt'"):
        find_column(rows, "promt", usual, "question", tmp_path)
    with pytest.raises(UserError, match="question or text .nearest: Question"):
        find_column([{"Question": "a"}], None, ("question", "text"), "question", tmp_path, needed=True)
