import polars as pl
import pytest

from scripts.label import read_answers
from scripts.lib.data.tables import ANSWERS, QUERIES, read, write
from scripts.lib.errors import UserError
from scripts.lib.samples import read as reading
from tests.support.samples import samples


def answers(tmp_path, rows, task="numeric", **files):
    path = samples(tmp_path / "samples.parquet", rows, round=2, start=3)
    read_answers.main(path, task, tmp_path / "answers.parquet", **files)
    return read(tmp_path / "answers.parquet", ANSWERS)


def test_each_sample_gets_its_answer_and_keeps_what_a_vote_asks_for(tmp_path):
    rows = [
        ("a", "The answer is 18.00.", 0.5),
        ("a", "We count", 0.7, "length"),
        ("b", "The answer is 2 or 3."),
        ("b", "Hm."),
    ]
    table = answers(tmp_path, rows)
    assert table.drop("text").rows() == [
        ("a", 3, "18", "ok", "stop", 0.5, 2),
        ("a", 4, None, "truncated", "length", 0.7, 2),
        ("b", 3, None, "ambiguous", "stop", 0.5, 2),
        ("b", 4, None, "none", "stop", 0.5, 2),
    ]


def test_equal_texts_have_equal_hashes_in_every_process(tmp_path):
    table = answers(tmp_path, [("a", "So 2."), ("a", " So 2.\n"), ("a", "So 3."), ("b", "So 2.")])
    first, stripped, other, elsewhere = table["text"]
    assert first == stripped == elsewhere != other
    assert first == 7534305351002187405


def test_thoughts_stay_in_their_file(tmp_path, monkeypatch):
    """They are several times as long as the replies."""
    seen = []
    monkeypatch.setattr(
        reading, "read_samples", lambda *of, real=reading.read_samples: seen.append(of[1]) or real(*of)
    )
    answers(tmp_path, [("a", "So 2.")])
    assert "completion" in seen[0].columns and "reasoning" not in seen[0].columns


def test_the_options_of_a_question_bound_the_letters(tmp_path):
    queries = pl.DataFrame(
        {
            "query_id": ["a", "b"],
            "question": "?",
            "options": [["x", "y"], ["x", "y", "z"]],
            "group": "",
            "shots": None,
        }
    )
    write(queries, tmp_path / "queries.parquet", QUERIES)
    rows = [(query, "So. The answer is (C).") for query in "ab"]
    table = answers(tmp_path, rows, "choice", queries=tmp_path / "queries.parquet")
    assert table["answer"].to_list() == [None, "C"]


def test_an_open_ended_response_reads_as_valid_or_not(tmp_path):
    table = answers(tmp_path, [("a", "A poem."), ("a", ""), ("a", "A po", 0.0, "length")], "open")
    assert table.select("answer", "status").rows() == [("valid", "ok"), (None, "none"), (None, "truncated")]


def test_chunks_make_the_same_bytes(tmp_path, monkeypatch):
    rows = [(query, f"The answer is {number}.") for query in "abc" for number in range(5)]
    answers(tmp_path, rows)
    whole = (tmp_path / "answers.parquet").read_bytes()
    monkeypatch.setattr(reading, "CHUNK", 4)
    answers(tmp_path, rows)
    assert (tmp_path / "answers.parquet").read_bytes() == whole
    parts = reading.answers_of(tmp_path / "samples.parquet", "numeric")
    assert ["".join(part["query_id"]) for part in parts] == ["aaaaa", "bbbbb", "ccccc"], "and hold little"


def test_no_samples_are_no_answers(tmp_path):
    assert answers(tmp_path, []).is_empty()


def test_ids_that_two_samples_share_are_refused(tmp_path):
    path = samples(tmp_path / "samples.parquet", [("a", "So 1."), ("b", "So 2.")])
    write(pl.concat([pl.read_parquet(path)] * 2), path, pl.read_parquet_schema(path))
    with pytest.raises(UserError, match="2 samples appear twice .*query 'a', sample_id 0"):
        read_answers.main(path, "numeric", tmp_path / "answers.parquet")


def test_the_same_answers_are_written_alike_in_all_files_of_a_query(tmp_path):
    """The commonest way of the first file, then that one everywhere: votes and grades compare texts."""
    pytest.importorskip("math_verify")
    rows = [("a", r"\boxed{\sqrt{12}}"), ("a", r"\boxed{2\sqrt{3}}"), ("a", r"\boxed{2\sqrt{3}}")]
    assert answers(tmp_path, rows, "math")["answer"].to_list() == [r"2\sqrt{3}"] * 3
    first = (tmp_path / "answers.parquet").rename(tmp_path / "first.parquet")
    later = answers(
        tmp_path, [("a", r"\boxed{\sqrt{12}}"), ("b", r"\boxed{\sqrt{12}}")], "math", known=(first,)
    )
    assert later["answer"].to_list() == [r"2\sqrt{3}", r"\sqrt{12}"]
