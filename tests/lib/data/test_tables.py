"""A table is read as it was written, or not at all."""

import random
import threading

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.data.tables import GOLDS, QUERIES, SAMPLES, read, scan, write, write_sorted
from scripts.lib.errors import UserError
from scripts.lib.samples.read import answers_of


@pytest.fixture
def table() -> pl.DataFrame:
    """Samples with texts of many lengths, one of which speaks of checksums."""
    count = 300
    texts = [f"{number} and {number * 7919} " * (number % 9) for number in range(count)]
    texts[7] = "redistill-crc32:00000000"
    return pl.DataFrame(
        {
            "query_id": [f"q{number // 3:03}" for number in range(count)],
            "sample_id": [number % 3 for number in range(count)],
            "completion": texts,
            "finish_reason": "stop",
            "num_tokens": list(range(count)),
            "temperature": 0.7,
            "round": 1,
            "reasoning": None,
            "reasoning_tokens": None,
        }
    )


def test_equal_rows_give_equal_bytes_and_come_back(tmp_path, table):
    write(table, tmp_path / "a.parquet", SAMPLES)
    write(table.sample(fraction=1, shuffle=True, seed=1), tmp_path / "b.parquet", SAMPLES)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read(tmp_path / "a.parquet", SAMPLES).equals(table.cast(dict(SAMPLES)))
    assert scan(tmp_path / "a.parquet", {"round": pl.Float64()}).collect()["round"].to_list() == [1.0] * 300


def test_no_flipped_bit_is_read(tmp_path, table):
    """Bits of data, dictionaries, page headers, statistics, the checksum, its name, the footer's length."""
    path = tmp_path / "a.parquet"
    write(table, path, SAMPLES)
    whole = path.read_bytes()
    mark = whole.rindex(b"redistill-crc32:")
    places = random.Random(0).sample(range(8 * len(whole)), 250)
    places += [8 * (mark + byte) + 2 for byte in range(-12, 26)] + [8 * (len(whole) - 8) + 1, 0]
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=r"a\.parquet is damaged.*; delete it and run again$"):
            read(path, {"query_id": pl.String()})


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: b"PAR1 is no table",
    ],
)
def test_a_cut_or_foreign_file_is_one_line(tmp_path, table, change):
    path = tmp_path / "a.parquet"
    write(table, path, SAMPLES)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=r"a\.parquet is damaged or was written by something else"):
        scan(path, SAMPLES)


def test_other_tables_are_told_apart(tmp_path, table):
    with pytest.raises(UserError, match="none.parquet does not exist; run the rule"):
        read(tmp_path / "none.parquet", SAMPLES)
    write(table, tmp_path / "a.parquet", SAMPLES)
    with pytest.raises(UserError, match="lacks the columns question, options, group, shots"):
        read(tmp_path / "a.parquet", QUERIES)
    table.write_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match="is damaged or was written by something else"):
        read(tmp_path / "foreign.parquet", SAMPLES)


def test_a_file_of_several_blocks(tmp_path, table, monkeypatch):
    path = tmp_path / "a.parquet"
    write(table, path, SAMPLES)
    monkeypatch.setattr(tables, "_BLOCK", 1000)
    assert read(path, SAMPLES).height == 300


def test_parts_are_made_where_signals_are_handled(tmp_path, table):
    """Reading a formula takes an alarm, which only the main thread hears."""
    threads = set()

    def parts():
        for start in range(0, 300, 7):
            threads.add(threading.current_thread())
            yield table[start : start + 7]

    write_sorted(parts(), tmp_path / "parts.parquet", SAMPLES)
    write(table, tmp_path / "whole.parquet", SAMPLES)
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert threads == {threading.main_thread()}


@pytest.mark.parametrize("wrong", ["a part", "the writing"])
def test_a_part_or_the_writing_that_fails_leaves_no_file(tmp_path, table, monkeypatch, wrong):
    taken = []

    def parts():
        for number in range(20):
            taken.append(number)
            yield table
        raise UserError("some are missing")

    if wrong == "the writing":
        monkeypatch.setattr(tables, "register_io_source", lambda *_, **__: tables.read(tmp_path / "none", {}))
    with pytest.raises(UserError, match="^some are missing$" if wrong == "a part" else "does not exist"):
        write_sorted(parts(), tmp_path / "parts.parquet", SAMPLES)
    assert list(tmp_path.iterdir()) == [] and (wrong == "a part" or len(taken) < 3)


@pytest.mark.parametrize("name", ["query_id", "sample_id", "completion", "finish_reason"])
def test_a_cell_that_no_row_can_do_without_is_named(tmp_path, table, name):
    gap = pl.when(pl.col("num_tokens") == 5).then(None).otherwise(pl.col(name)).alias(name)
    write(table.with_columns(gap), tmp_path / "a.parquet", SAMPLES)
    with pytest.raises(UserError, match=rf"a\.parquet has 1 rows without {name};"):
        read(tmp_path / "a.parquet", SAMPLES)
    with pytest.raises(UserError, match=rf"a\.parquet has 1 rows without {name};"):
        list(answers_of(tmp_path / "a.parquet", "numeric"))


@pytest.mark.parametrize(
    ("answers", "message"),
    [(["1", None], "has 1 rows without answer; something"), (["1", "2"], "has the query 'a' twice")],
)
def test_a_gold_is_one_of_its_query(tmp_path, answers, message):
    write(pl.DataFrame({"query_id": ["a", "a"], "answer": answers}), tmp_path / "g.parquet", GOLDS)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "g.parquet", GOLDS)
