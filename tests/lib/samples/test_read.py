"""What a server refused is no sample of the teacher's: it abstains, has no score, and is in no pair and no
lesson."""

import polars as pl
import pytest

from scripts.label.grade import grade
from scripts.lib.data.tables import ANSWERS, GRADES, SAMPLES, read, write, write_sorted
from scripts.lib.labels.graded import Graded, paired
from scripts.lib.labels.judging import grades, requests
from scripts.lib.labels.settings import Pairing
from scripts.lib.labels.votes import vote
from scripts.lib.samples.read import answers_of, read_samples
from scripts.lib.training.examples import answers_to_learn
from tests.support.samples import samples

REFUSED = [
    ("a", "", 0.5, "content_filter"),
    ("a", "The answer is 9. It", 0.5, "content_filter"),
    ("a", "", 0.5, "length"),
    ("a", "", 0.5, "unknown"),
    ("a", "The answer is 9.", 0.5, "unknown"),
]
OWN = [
    ("b", "The answer is 9.", 0.5, "stop"),
    ("b", "", 0.5, "stop"),
    ("b", "The answer is", 0.5, "length"),
    ("b", "", 0.5, "content_filter"),
]


@pytest.fixture
def file(tmp_path):
    return samples(tmp_path / "samples.parquet", REFUSED + OWN)


def test_a_refused_sample_votes_for_nothing_and_has_no_score(file):
    (answers,) = answers_of(file, "numeric")
    assert answers["status"].to_list() == ["refused"] * 5 + ["ok", "none", "truncated", "refused"]
    assert answers.filter(pl.col("status") == "refused")["answer"].is_null().all()
    assert vote(answers, 4, 0.25).select("query_id", "label", "reason").rows() == [
        ("a", None, "no_answer"),
        ("b", "9", "ok"),
    ]
    labels = pl.DataFrame({"query_id": ["a", "b"], "label": ["9", "9"]})
    graded = grade(answers, labels)
    assert graded["score"].to_list() == [None] * 5 + [1.0, 0.0, 0.0, None]


def test_a_reply_whose_thought_was_cut_off_is_the_models_own():
    columns = {"query_id": "c", "completion": "", "finish_reason": "length"}
    rows = [columns | {"num_tokens": 64}, columns | {"num_tokens": 0}]
    assert read_samples("numeric", pl.DataFrame(rows))["status"].to_list() == ["truncated", "refused"]


def test_no_judge_is_asked_about_it_and_no_pair_has_it(file, tmp_path):
    table = read(file, SAMPLES)
    queries = pl.DataFrame({"query_id": ["a", "b"], "question": ["Why?", "How?"], "options": [[], []]})
    asked, links = requests(table, queries)
    assert asked.height == 1
    judged = grades(links, asked.select("query_id", score=pl.lit(4.0)))
    assert judged["score"].to_list() == [None] * 5 + [4.0, 0.0, 0.0, None]
    paths = {name: tmp_path / f"{name}.parquet" for name in ("grades", "answers")}
    write(judged, paths["grades"], GRADES)
    write_sorted(answers_of(file, "open"), paths["answers"], ANSWERS)
    own = [paths["answers"]]
    both = Graded(paths["grades"], paths["grades"], own, own, best_score=5.0)
    pairs, _ = paired(both, Pairing(answers="teacher"), 0)
    assert sorted(pairs.select("query_id", "chosen_sample_id", "rejected_sample_id").rows()) == [
        ("b", 0, 1),
        ("b", 0, 2),
    ]


def test_no_student_learns_it(file):
    learnt, counts = answers_to_learn(read(file, SAMPLES).filter(pl.col("completion") != ""), None, 0)
    assert learnt["completion"].to_list() == ["The answer is 9."] and counts["cut_off"] == 3
