"""Pairs and grades do not depend on how many queries are in memory at once."""

import random

import polars as pl
import pytest

from scripts.label import grade
from scripts.lib.data.tables import LABELS, read, write
from scripts.lib.errors import UserError
from scripts.lib.labels.graded import Graded, paired
from scripts.lib.labels.settings import Pairing
from scripts.lib.samples import read as module
from tests.support.samples import answers, grades


@pytest.fixture
def graded(tmp_path):
    """Forty queries, of which the teacher has other ones than the student, in two rounds, out of order."""
    dice, sides = random.Random(0), {}
    for name, first, n in (("teacher", 0, 4), ("student", 5, 6)):
        rows = [
            (f"q{query * 7 % 45:02}", dice.randint(0, 1))
            for query in range(first, first + 40)
            for _ in range(n)
        ]
        texts = [(query, f"text {dice.randint(0, 3)}") for query, _ in rows]
        sides[f"{name}_grades"] = grades(tmp_path / f"{name}.parquet", rows)
        sides[f"{name}_answers"] = [answers(tmp_path / f"{name}_answers.parquet", texts)]
    return Graded(**sides)


@pytest.mark.parametrize("which", ["both", "student", "teacher"])
def test_pairs_are_the_same_in_whatever_lots(graded, monkeypatch, which):
    pairing, by = Pairing(answers=which), ["query_id", "kind", "chosen_sample_id", "rejected_sample_id"]
    whole, counts = paired(graded, pairing, 1)
    lots = []
    monkeypatch.setattr(module, "ROWS", 25)
    monkeypatch.setattr(
        "scripts.lib.labels.graded.contrast",
        lambda *of, real=paired.__globals__["contrast"]: lots.append(of) or real(*of),
    )
    parts, numbers = paired(graded, pairing, 1)
    assert len(lots) >= 7 and whole.height > 20
    assert parts.sort(by).equals(whole.sort(by)) and numbers == counts


def test_answers_given_twice_are_found_in_their_lot(graded, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 25)
    twice = Graded(
        graded.teacher_grades, graded.student_grades, graded.teacher_answers, graded.student_answers * 2
    )
    with pytest.raises(
        UserError, match="samples appear twice in .*student_answers.parquet, .*pass each file once"
    ):
        paired(twice, Pairing(), 0)


def test_grades_are_the_same_in_whatever_lots(graded, tmp_path, monkeypatch, capsys):
    rows = [(f"q{query:02}", "7" if query % 2 else None, 1.0, 4, 4, "ok") for query in range(45)]
    write(pl.DataFrame(rows, schema=LABELS, orient="row"), tmp_path / "labels.parquet", LABELS)
    made = []
    for rows_ in (200_000, 10):
        monkeypatch.setattr(module, "ROWS", rows_)
        grade.main(graded.student_answers, tmp_path / "labels.parquet", tmp_path / "grades.parquet")
        made.append(((tmp_path / "grades.parquet").read_bytes(), capsys.readouterr().err))
    assert made[0] == made[1] and " of 120 samples of 22 labelled queries are good" in made[0][1]


def test_none_are_none(tmp_path):
    none = grades(tmp_path / "none.parquet", []), [answers(tmp_path / "none_answers.parquet", [])]
    pairs, counts = paired(Graded(none[0], none[0], none[1], none[1]), Pairing(), 0)
    assert pairs.is_empty() and counts["sampled"] == 0 and read(none[0], {"score": pl.Float64()}).is_empty()
