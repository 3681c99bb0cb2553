import gzip
import io
import json
import os
from pathlib import Path
from socket import AF_UNIX, socket

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.lib.data import sources
from scripts.lib.data.peek import first_columns
from scripts.lib.data.sources import find_column, find_files, read_rows
from scripts.lib.errors import UserError
from scripts.lib.workflow.costs import USUAL_ROWS, rows_of

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
        (b"[]", "is empty"),
        (JSONL.encode() + b"\n{broken", "line 3: not JSON"),
        (b'{"question": "cut of', "line 1: not JSON"),
        (b'[{"question": 1},\n {"question"', "line 2: not JSON"),
        (JSONL.encode() + b"\n[1]", "line 3: not an object"),
        (b"[1, 2]", "row 1: not an object"),
        (b'{"question": "a"}\n{"question": "\xff"}', "line 2: not UTF-8"),
        (b"question,answer\n1,2", "neither JSONL, JSON nor Parquet"),
        (b"PAR1 torn", "not a readable Parquet"),
        (gzip.compress(JSONL.encode())[:-9], "damaged gzip"),
        (b"\x1f\x8b\x08\x00 no deflate at all", "damaged gzip"),
        (b'{"question": ' + b"[" * 100_000, "line 1: not JSON .brackets in brackets"),
        (b"[" * 100_000, "line 1: not JSON .brackets in brackets"),
        (b'{"question": ' + b"1" * 5_000 + b"}", "line 1: not JSON .Exceeds the limit"),
        (b"\x00" * 100, "neither JSONL, JSON nor Parquet"),
        (JSONL.encode("utf-16"), "is UTF-16 text; convert"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html></html>", "a page of the web"),
        (b"PK\x03\x04\x14\x00", "a zip archive; unpack it"),
        (b"\xfd7zXZ\x00", "packed by xz; unpack it"),
        (b"\x7fELF\x02\x01\x01", "neither JSONL, JSON nor Parquet"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "rows").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_rows(tmp_path / "rows")
    assert str(tmp_path / "rows") in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (
            r'{"question": "a \ud83d b", "options": ["\ude00"]}',
            {"question": "a \ufffd b", "options": ["\ufffd"]},
        ),
        (r'{"question \uD800": "\ud83d\ude00 \ude00\ud83d"}', {"question \ufffd": "😀 \ufffd\ufffd"}),
        (r'{"question": "a", "n": NaN, "m": [-Infinity]}', {"question": "a", "n": None, "m": [None]}),
    ],
)
def test_what_no_file_can_hold_is_replaced(tmp_path, written, read):
    (tmp_path / "rows").write_text(written)
    assert read_rows(tmp_path / "rows")[0] == [read]


def test_numbers_of_parquet_that_are_none(tmp_path):
    pl.DataFrame({"id": [1.0, float("nan")]}).write_parquet(tmp_path / "rows")
    assert read_rows(tmp_path / "rows")[0] == [{"id": 1.0}, {"id": None}]


def bombs() -> dict[str, bytes]:
    """Files of a few kilobytes that unpack to megabytes."""
    many = np.zeros(3_000_000, dtype="int8")
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 400, pa.int32()), pa.array(["x" * 10_000]))
    listed = pa.ListArray.from_arrays(pa.array([0, len(many)], pa.int32()), pa.array(many))
    made = {}
    for name, column in (
        ("rows", pa.array(many)),
        ("cells", listed),
        ("texts", text),
        ("spelt", text.cast("string")),
    ):
        file = io.BytesIO()
        pq.write_table(pa.table({"question": column}), file, compression="zstd")
        made[name] = file.getvalue()
    made["gzip"] = gzip.compress(b'{"question": "' + b"x" * 3_000_000 + b'"}')
    return made


@pytest.mark.parametrize("name", ["rows", "cells", "texts", "spelt", "gzip"])
def test_a_file_takes_no_more_memory_than_its_limits(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sources, "LARGEST", 2_000_000)
    monkeypatch.setattr(sources, "MOST", 2_000_000)
    (tmp_path / "rows").write_bytes(content := bombs()[name])
    assert len(content) < 50_000
    with pytest.raises(UserError, match="rows holds more than .* unpacked or .* cells; split it or cut it"):
        read_rows(tmp_path / "rows")


def test_a_large_file_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST", 10)
    (tmp_path / "rows").write_text(JSONL)
    with pytest.raises(UserError, match="rows holds more than"):
        read_rows(tmp_path / "rows")


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: socket(AF_UNIX).bind(str(path))], ids=["pipe", "socket"]
)
def test_what_is_no_file_is_not_waited_for(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make("rows")
    with pytest.raises(UserError, match="rows is neither a file nor a folder"):
        find_files(Path("rows"), "train")
    assert first_columns(Path("rows")) is None and rows_of(Path("rows")) == USUAL_ROWS


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
    with pytest.raises(UserError, match="question or text .nearest: 'Question'"):
        find_column([{"Question": "a"}], None, ("question", "text"), "question", tmp_path, needed=True)
    with pytest.raises(UserError, match="question or text .nearest: ' question'.;"):
        find_column([{" question": "a"}], None, ("question", "text"), "question", tmp_path, needed=True)


def test_values_under_two_usual_names_are_not_dropped_in_silence(tmp_path):
    usual = ("answer", "gold")
    both = [{"answer": "5", "gold": "5"}, {"answer": "6", "gold": None}, {"answer": None}]
    assert find_column(both, None, usual, "answer", tmp_path) == "answer"
    for empty in ({}, {"answer": None}, {"answer": ""}):
        mixed = [{"answer": "6"}, {"gold": "5"} | empty]
        with pytest.raises(UserError, match="row 2: the answer stands in 'gold'.*other rows in 'answer'"):
            find_column(mixed, None, usual, "answer", tmp_path)
        assert find_column(mixed, "answer", usual, "answer", tmp_path) == "answer"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("options", [["a", "b"], []])
def test_a_row_with_a_list_is_a_row(tmp_path, indent, options):
    row = {"question": "q", "options": options, "answer": "A"}
    (tmp_path / "rows.json").write_text(json.dumps(row, indent=indent))
    assert read_rows(tmp_path / "rows.json")[0] == [row]
