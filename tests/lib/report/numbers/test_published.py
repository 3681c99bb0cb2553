"""The paper's own numbers: whole, consistent with the gains it prints, and shown for the same cells only."""

from copy import deepcopy
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import read
from scripts.lib.report.inputs import study_of
from scripts.lib.report.numbers.published import published
from scripts.lib.report.study import Study
from scripts.lib.workflow.layout import Layout

TABLE = pl.read_csv("config/published.tsv", separator="\t", comment_prefix="#", infer_schema=False)
PLACE = {"dataset": "gsm8k", "benchmark": "gsm8k", "teacher": "llama3-8b", "student": "llama3-1b"}


@pytest.fixture(scope="module")
def study() -> Study:
    config = parse(read(Path("config/paper.yaml")))
    return study_of(Layout(config), "table3", rows(config, "table3"))


def test_it_has_every_number_of_the_tables_and_appendix_f():
    counts = {"1": 4, "3": 2 * 3 + 4 * 5 * 3, "4": 8, "5": 8, "6": 6, "9": 16, "10": 4, "11": 3, "F": 12}
    assert dict(TABLE.group_by("table").len().iter_rows()) == counts


def test_its_names_are_those_of_the_config(study):
    for column in ("dataset", "benchmark", "teacher", "student"):
        assert set(TABLE[column]) - {"-"} <= set(
            parse(read(Path("config/paper.yaml"))).__dict__[f"{column}s"]
        )


def test_a_cell_that_two_tables_print_is_one_number():
    cell = ["dataset", "benchmark", "teacher", "student", "row", "metric"]
    assert TABLE.group_by(cell).agg(pl.col("value").n_unique())["value"].max() == 1


@pytest.mark.parametrize(
    ("table", "row", "against", "gains"),
    [
        ("1", "wo_d", "icl", [10.47]),
        ("1", "sft", "icl", [6.65]),
        ("4", "sft", "icl", [2.18, 2.04]),
        ("4", "ours", "icl", [5.38, 4.07]),
        ("6", "orm_t", "wo_r", [0.38]),
        ("6", "orm_s", "wo_r", [1.82]),
        ("6", "orm_s_checked", "wo_r", [1.98]),
        ("6", "unchecked", "wo_r", [2.62]),
        ("6", "ours", "wo_r", [2.95]),
        # Section 5.2, in the order of the file: the 70B teacher's students, then the 8B's; GSM-Plus unsaid.
        ("3", "ours", "sft", [3.03, None, 4.27, 1.90, None, 2.96, 3.18, None, 9.38, 3.27, None, 8.24]),
    ],
)
def test_its_numbers_give_the_gains_that_the_paper_prints(table, row, against, gains):
    own, other = (
        TABLE.filter(pl.col("table") == table, pl.col("row") == name)["value"].cast(float)
        for name in (row, against)
    )
    for gain, found in zip(gains, own - other, strict=True):
        assert gain is None or found == pytest.approx(gain)


def test_a_place_has_its_rows_in_the_papers_words(study):
    found = published(study, "accuracy", **PLACE)
    assert found == {
        "teacher": "80.97", "icl": "41.55", "sft": "62.85", "wo_r": "63.08", "wo_d": "60.12", "ours": "66.03",
        "orm_t": "63.46", "orm_s": "64.90", "orm_s_checked": "65.06", "unchecked": "65.70", "dpo": "63.46",
    }  # fmt: skip
    place = PLACE | {"benchmark": "mmlu_pro", "dataset": "mmlu_pro", "teacher": "llama3-70b"}
    assert published(study, "accuracy", **place)["ours"] == "35.27"
    assert published(study, "pos_pos", dataset="gsm8k", teacher="llama3-8b", student="llama3-3b") == {
        "ours": "0.9382"
    }
    assert published(study, "no_label", dataset="mmlu_pro", teacher="llama3-8b") == {"vote": "0.48"}
    assert published(study, "hours", dataset="gsm8k", student="llama3-3b")["train_ppo"] == "32"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("teachers.llama3-8b.model", "meta-llama/Llama-3.1-8B-Instruct"),
        ("students.llama3-1b.model", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("students.llama3-1b.model", None),
        ("datasets.gsm8k.queries", "data/own.parquet"),
        ("downloads.gsm8k_train.parquet.repo", "someone/gsm8k"),
        ("downloads.gsm8k_train.parquet.rows", 100),
        ("downloads.gsm8k_test.parquet.split", "train"),
        ("benchmarks.gsm8k.queries", "data/own.jsonl"),
    ],
)
def test_a_name_that_stands_for_something_else_has_no_number_of_the_paper(study, path, value):
    config = deepcopy(study.config)
    *names, last = path.split(".", 1)[1].rsplit(".", 1)
    config[path.split(".")[0]][names[0]][last] = value
    other = Study("other", "", config, [], [], [], [])
    found = published(other, "accuracy", **PLACE)
    assert found == ({"teacher": "80.97"} if path.startswith("students") else {})


@pytest.mark.parametrize("part", [{"teacher": "llama3-70b-twice"}, {"dataset": "world"}, {"benchmark": "x"}])
def test_another_name_is_another_cell(study, part):
    assert published(study, "accuracy", **(PLACE | part)) == {}


def test_the_teachers_own_number_holds_beside_any_student(study):
    assert published(study, "accuracy", **(PLACE | {"student": "tiny"})) == {"teacher": "80.97"}


def test_a_split_of_a_data_set_is_known_by_its_part(study):
    config = deepcopy(study.config)
    config["benchmarks"]["mmlu_pro"]["split"] = "validation"
    place = PLACE | {"dataset": "mmlu_pro", "benchmark": "mmlu_pro"}
    assert published(study, "accuracy", **place)
    assert published(Study("other", "", config, [], [], [], []), "accuracy", **place) == {}
