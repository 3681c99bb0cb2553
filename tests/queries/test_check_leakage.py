import json
import os
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.tables import QUERIES, read, write
from scripts.lib.errors import UserError
from scripts.queries import queries
from scripts.queries.check_leakage import main
from tests.support.steps import call

SHARED = os.environ.get("REDISTILL_SHARED_DATA", "")
real = pytest.mark.skipif(not SHARED, reason="real data: REDISTILL_SHARED_DATA is not set")


@pytest.fixture
def files(tmp_path):
    def save(name, *questions):
        ids = [f"{name}{i}" for i in range(len(questions))]
        table = pl.DataFrame({"query_id": ids, "question": list(questions)})
        table = table.with_columns(
            options=pl.lit([], dtype=pl.List(pl.String)), group=pl.lit(""), shots=pl.lit(None)
        )
        write(table, tmp_path / f"{name}.parquet", QUERIES)
        return tmp_path / f"{name}.parquet"

    return save


def test_clean_files_pass(files, tmp_path):
    train, test = files("train", "one", "two"), files("test", "three")
    main(train, [test], tmp_path / "report.json", clean_train=tmp_path / "clean.parquet")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"] == {"exact": 0, "near": 0, "template": 0} and report["pairs"] == []
    assert (tmp_path / "clean.parquet").read_bytes() == train.read_bytes()


def test_a_leak_fails_and_is_listed(files, tmp_path):
    with pytest.raises(
        UserError, match="1 equal and 0 nearly equal.*'train1' in .*'test0' in .*set on_leak to drop"
    ):
        main(files("train", "one", "Two!"), [files("test", "two")], tmp_path / "report.json")
    (pair,) = json.loads((tmp_path / "report.json").read_text())["pairs"]
    assert (pair["train_question"], pair["held_out_question"], pair["kind"]) == ("Two!", "two", "exact")


def test_drop_keeps_the_benchmark_whole(files, tmp_path):
    outputs = {
        "clean_train": tmp_path / "clean.parquet",
        "clean_validation": tmp_path / "clean_validation.parquet",
    }
    main(
        files("train", "one", "two", "three", "four"),
        [files("test", "two", "five")],
        tmp_path / "report.json",
        validation=files("validation", "three", "five", "six"),
        on_leak="drop",
        **outputs,
    )
    assert read(outputs["clean_train"], QUERIES)["question"].to_list() == ["one", "four"]
    assert read(outputs["clean_validation"], QUERIES)["question"].to_list() == ["three", "six"]
    assert len(json.loads((tmp_path / "report.json").read_text())["pairs"]) == 3


@pytest.mark.parametrize("part", ["train", "validation"])
def test_where_every_question_is_dropped_it_says_so(files, tmp_path, part):
    texts = {"train": ["one"], "validation": ["two"], "test": ["three"]}
    texts["test"] += texts[part]
    train, validation, test = (files(name, *some) for name, some in texts.items())
    outputs = {f"clean_{name}": tmp_path / f"clean_{name}.parquet" for name in ("train", "validation")}
    with pytest.raises(UserError, match=rf"{part}\S*: every question is held out elsewhere, none is left"):
        main(train, [test], tmp_path / "report.json", validation=validation, on_leak="drop", **outputs)


NEAR = "Ana picks nine red pens out of a box with many more pens of every other colour and counts them {end}"


def test_a_near_duplicate_is_a_leak_and_another_template_none(files, tmp_path):
    train = files("train", NEAR.format(end="twice"), NEAR.format(end="for 3"), "one")
    test = files("test", NEAR.format(end="again"), NEAR.format(end="for 4"))
    with pytest.raises(UserError, match="0 equal and 1 nearly equal.*'train0' in .*'test0' in"):
        main(train, [test], tmp_path / "report.json")
    clean = tmp_path / "clean.parquet"
    main(train, [test], tmp_path / "report.json", on_leak="drop", clean_train=clean)
    assert read(clean, QUERIES)["query_id"].to_list() == ["train1", "train2"]
    counts = json.loads((tmp_path / "report.json").read_text())["counts"]
    assert counts["exact"] == 0 and counts["near"] == 1 and counts["template"] > 0


def test_drop_needs_an_output(files, tmp_path):
    with pytest.raises(UserError, match="give clean_train"):
        main(files("train", "a"), [files("test", "a")], tmp_path / "report.json", on_leak="drop")


@real
def test_real_sets_pass_as_they_are_split(tmp_path):
    """GSM8K's own split, and our split of MMLU-Pro, whose repeated texts and shared passages stay on one
    side."""
    benchmarks = []
    for name, task, file in (
        ("gsm8k", "numeric", "gsm8k/test.jsonl"),
        ("plus", "gsm_plus", "gsm_plus/testmini.jsonl"),
    ):
        benchmarks.append(tmp_path / f"{name}.parquet")
        queries.main(Path(SHARED, file), task, queries=benchmarks[-1])
    sets = (("numeric", "gsm8k/train.jsonl", 0.0), ("choice", "mmlu_pro/test_2025-08-25.json", 0.15))
    for task, file, fraction in sets:
        paths = {part: tmp_path / f"{task}_{part}.parquet" for part in ("train", "validation", "test")}
        call(queries.main, input=Path(SHARED, file), task=task, **paths, test_fraction=fraction)
        held_out = [*benchmarks, paths["test"]]
        main(paths["train"], held_out, tmp_path / "report.json", validation=paths["validation"])
        counts = json.loads((tmp_path / "report.json").read_text())["counts"]
        assert counts == {"exact": 0, "near": 0, "template": 2 if task == "numeric" else 0}
