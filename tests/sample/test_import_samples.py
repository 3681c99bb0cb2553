import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.errors import UserError
from scripts.lib.tasks.bulk import read_answers
from scripts.sample import import_samples


@pytest.fixture
def here(tmp_path):
    questions = ["How many pens ?", "How many  cups ?", "Who ?", "Who ?"]
    table = {
        "query_id": list("abcd"),
        "question": questions,
        "options": [[]] * 4,
        "group": [""] * 4,
        "shots": None,
    }
    write(pl.DataFrame(table, schema=QUERIES), tmp_path / "queries.parquet", QUERIES)
    return tmp_path


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(here, *files, **flags):
    settings = {
        "queries": here / "queries.parquet",
        "input": files,
        "model": ("m",),
        "temperature": (0.7,),
        "prompt": Path("config/prompts/world.jinja"),
        "max_tokens": 64,
        "store": here / "store",
        "output": here / "samples.parquet",
        "ledger": here / "ledger.json",
    }
    import_samples.main(**(settings | flags))
    return read(here / "samples.parquet", SAMPLES), json.loads((here / "ledger.json").read_text())


def test_one_completion_a_row(here):
    rows = [
        {"query_id": "a", "completion": "one"},
        {"query_id": "a", "completion": "two", "finish_reason": "length"},
    ]
    samples, ledger = run(here, lines(here / "x.jsonl", rows))
    assert samples.select("query_id", "sample_id", "completion", "finish_reason", "temperature").rows() == [
        ("a", 0, "one", "stop", 0.7),
        ("a", 1, "two", "length", 0.7),
    ]
    assert ledger["taken"] == 2 and ledger["sampled"] == 0


def test_thoughts_are_kept_apart(here):
    rows = [
        {"completion": "<think>\nIs it 5?\n</think>\n\nThe answer is 6."},
        {"completion": "6", "reasoning_content": "Is it 5?"},
        {"completion": "Use `</think>` to end a thought."},
        {"completion": "<think>\nThe answer is 5. But"},
        {"completion": "<think>\nIs it", "finish_reason": "length"},
        {"completion": "<think>\n\n</think>\n\n"},
        {"completion": "<think>\nIs it\n</think>", "finish_reason": "stop"},
    ]
    samples, ledger = run(here, lines(here / "x.jsonl", [{"query_id": "a"} | row for row in rows]))
    assert samples.select("completion", "reasoning", "finish_reason").rows() == [
        ("The answer is 6.", "Is it 5?", "stop"),
        ("6", "Is it 5?", "stop"),
        ("Use `</think>` to end a thought.", None, "stop"),
        ("", "The answer is 5. But", "length"),
        ("", "Is it", "length"),
    ]
    assert (ledger["taken"], ledger["empty"]) == (5, 2)
    answers = read_answers("numeric", samples["completion"], samples["finish_reason"])
    assert answers.rows() == [("6", "ok"), ("6", "ok"), (None, "none"), *[(None, "truncated")] * 2]


def test_lists_gzip_and_several_models_as_one_teacher(here):
    first = here / "x.jsonl.gz"
    first.write_bytes(
        gzip.compress(b'{"qid": "b", "responses": ["1", "2"]}\n{"qid": "a", "responses": ["3"]}\n')
    )
    second = here / "y.parquet"
    pl.DataFrame({"query_id": ["b"], "completion": ["4"]}).write_parquet(second)
    samples, _ = run(
        here,
        first,
        second,
        model=("m", "n"),
        temperature=(1.0, 0.0),
        id_column=("qid", "query_id"),
        completion_column=("responses", "completion"),
    )
    assert samples.select("query_id", "sample_id", "completion", "temperature").rows() == [
        ("a", 0, "3", 1.0),
        ("b", 0, "1", 1.0),
        ("b", 1, "2", 1.0),
        ("b", 2, "4", 0.0),
    ]


def test_questions_match_by_their_text(here):
    samples, _ = run(
        here,
        lines(here / "x.jsonl", [{"question": " How many cups ?", "completion": "x"}]),
        id_column=("question",),
    )
    assert samples["query_id"].to_list() == ["b"]


def test_queries_that_share_a_text_keep_their_own_completions(here):
    rows = [{"query_id": "c", "completion": "x"}, {"query_id": "d", "completion": "y"}]
    assert run(here, lines(here / "x.jsonl", rows))[0]["completion"].to_list() == ["x", "y"]


def test_unknown_queries_and_empty_texts_are_counted_drops(here):
    rows = [
        {"query_id": "a", "completion": "  "},
        {"query_id": "a", "completion": None},
        {"query_id": "z", "completion": "x"},
        {"query_id": "b", "completion": "x"},
    ]
    samples, ledger = run(here, lines(here / "x.jsonl", rows))
    assert samples.height == 1
    assert [ledger[key] for key in ("requested", "unknown_query", "empty", "taken")] == [4, 1, 2, 1]


def test_a_models_greedy_completion_is_one_sample(here):
    texts = [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")]
    rows = [{"query_id": query, "completion": text} for query, text in texts]
    one = lines(here / "x.jsonl", rows)
    other = lines(here / "y.jsonl", rows[:1])
    samples, ledger = run(here, one, other, model=("m", "n"), temperature=(0.0,))
    assert samples.select("query_id", "completion").rows() == [("a", "x"), ("a", "y"), ("a", "x"), ("b", "x")]
    assert (ledger["requested"], ledger["repeated"], ledger["taken"]) == (5, 1, 4)
    assert run(here, one, temperature=(0.1,))[1]["repeated"] == 0


def test_a_changed_file_is_another_source_and_an_equal_one_is_stored_once(here):
    file = lines(here / "x.jsonl", [{"query_id": "a", "completion": "one"}])
    run(here, file)
    first = (here / "samples.parquet").read_bytes()
    run(here, file)
    assert (here / "samples.parquet").read_bytes() == first
    assert len(list((here / "store").rglob("part-*"))) == 1
    lines(file, [{"query_id": "a", "completion": "two"}])
    assert run(here, file)[0]["completion"].to_list() == ["two"]


def test_files_say_their_own_temperature_and_index(here):
    rows = [{"query_id": "a", "completion": str(i), "sample_id": i, "temperature": 0.1} for i in (1, 0)]
    samples, _ = run(here, lines(here / "x.jsonl", rows))
    assert samples.select("completion", "temperature").rows() == [("0", 0.1), ("1", 0.1)]


def test_samples_are_numbered_by_file_then_temperature_then_index(here):
    rows = [
        {"query_id": "a", "completion": f"{heat} {i}", "sample_id": i, "temperature": heat}
        for i, heat in ((5, 0.9), (0, 0.9), (3, 0.2), (7, 0.2))
    ]
    late = [{"query_id": "a", "completion": "late", "temperature": 0.1}]
    samples, _ = run(here, lines(here / "x.jsonl", rows), lines(here / "y.jsonl", late), model=("m", "n"))
    assert samples["completion"].to_list() == ["0.2 3", "0.2 7", "0.9 0", "0.9 5", "late"]
    assert samples["sample_id"].to_list() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"query_id": "z", "completion": "x"}], "none of its 1 rows"),
        ([{"id": "a", "completion": "x"}], "no column 'query_id'"),
        ([{"query_id": "a", "completion": 3}], "a completion is a text"),
        ([{"query_id": "a", "completion": "x", "finish_reason": "tired"}], "none of stop, length"),
        ([{"query_id": "a", "completion": "x", "temperature": "warm"}], "row 1: temperature is 'warm'"),
        *(
            (
                [{"query_id": "a", "completion": "x"}, {"query_id": "a", "completion": "y", name: value}],
                message,
            )
            for name, value, message in (
                ("temperature", -1, "row 2: temperature is -1; it must be a number from 0"),
                ("temperature", [[0.1]], "row 2: temperature is .0.1.; it must"),
                ("sample_id", [1], "row 2: sample_id is .1.; it must"),
                ("temperature", True, "row 2: temperature is True; it must"),
                ("num_tokens", -5, "row 2: num_tokens is -5; it must be a whole number from 0"),
                ("num_tokens", 1.5, "row 2: num_tokens is 1.5; it must"),
                ("num_tokens", 2**31, "row 2: num_tokens is 2147483648; it must"),
                ("sample_id", 1.5, "row 2: sample_id is 1.5; it must"),
                ("sample_id", "1", "row 2: sample_id is '1'; it must"),
                (
                    "query_id",
                    {"a": 1},
                    "row 2: the id .query_id. {'a': 1} is neither text nor a whole number",
                ),
                ("query_id", None, "row 2: the id .query_id. None is neither"),
            )
        ),
        ([{"query_id": "a", "completion": str(i), "sample_id": 0} for i in (1, 2)], "sample_id 0 twice"),
        ([["a"]], "row 1: not an object"),
    ],
)
def test_wrong_rows_are_one_clear_error(here, rows, message):
    with pytest.raises(UserError, match=message) as caught:
        run(here, lines(here / "x.jsonl", rows))
    assert "x.jsonl" in str(caught.value) and len(str(caught.value)) < 400


def test_whole_numbers_may_be_written_with_a_point(here):
    rows = [{"query_id": "a", "completion": "x", "sample_id": 1.0, "num_tokens": 7.0, "temperature": 1}]
    assert run(here, lines(here / "x.jsonl", rows))[0]["num_tokens"].to_list() == [7]


def test_damaged_and_absent_files_are_named(here):
    broken = here / "x.jsonl.gz"
    broken.write_bytes(gzip.compress(b'{"query_id": "a", "completion": "x"}\n' * 100)[:-20])
    with pytest.raises(UserError, match="x.jsonl.gz is a damaged gzip file"):
        run(here, broken)
    with pytest.raises(UserError, match="none.jsonl does not exist"):
        run(here, here / "none.jsonl")
    with pytest.raises(UserError, match="--model has 2 values for 1 files"):
        run(here, broken, model=("a", "b"))


def test_public_outputs_import(here):
    if not (shared := os.environ.get("REDISTILL_SHARED_DATA")):
        pytest.skip("REDISTILL_SHARED_DATA is not set")
    table = {"query_id": [str(i) for i in range(1319)], "question": [f"q{i}" for i in range(1319)]}
    table |= {"options": [[]] * 1319, "group": [""] * 1319, "shots": None}
    write(pl.DataFrame(table, schema=QUERIES), here / "queries.parquet", QUERIES)
    files = sorted(Path(shared, "outputs", "gsm8k").glob("zeroeval_*.jsonl.gz"))
    samples, ledger = run(
        here,
        *files,
        model=tuple(file.name for file in files),
        id_column=("qid",),
        completion_column=("responses",),
    )
    assert samples.height == ledger["taken"] == 1319 * len(files) > 0
    assert samples["sample_id"].max() == len(files) - 1
