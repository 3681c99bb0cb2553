"""Fetching: what a study needs, a subset that is no one's choice, and no reaching out when offline."""

import json

import pytest

from scripts.lib.errors import UserError
from scripts.queries.fetch import main, subset


def test_a_subset_depends_on_the_rows_not_on_their_order():
    rows = [{"q": f"question {n}"} for n in range(50)]
    chosen = {rows[place]["q"] for place in subset(rows, 10)}
    back = rows[::-1]
    assert len(chosen) == 10
    assert {back[place]["q"] for place in subset(back, 10)} == chosen
    assert {rows[place]["q"] for place in subset(rows, 20)} > chosen


def test_a_split_or_a_file_is_needed(tmp_path):
    with pytest.raises(UserError, match="exactly one"):
        main("some/data", "main", tmp_path / "out.parquet")


def test_a_split_of_a_folder_is_written_whole(tmp_path):
    pytest.importorskip("datasets")
    import polars as pl

    source = tmp_path / "hub"
    source.mkdir()
    rows = [{"question": f"q{n}", "answer": str(n)} for n in range(9)]
    (source / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "data" / "train.parquet"
    main(str(source), "main", output, split="train", columns=("question",), rows=4)
    table = pl.read_parquet(output)
    assert table.columns == ["question"] and table.height == 4
    assert [path.name for path in output.parent.iterdir()] == ["train.parquet"]


def test_offline_says_where_to_fetch(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="make prefetch"):
        main("nobody/nothing", "0" * 40, tmp_path / "x.csv", file="x.csv")
    assert not list(tmp_path.iterdir())
