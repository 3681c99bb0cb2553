"""The paired difference by kind of question, on a study small enough to count by hand."""

from dataclasses import replace

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.report.numbers.kinds import _parts, kinds
from scripts.lib.report.numbers.results import by_question, scoreboards
from scripts.lib.report.study import read_study
from tests.support.report_fixture import make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    return read_study(
        make_study(folder, train=20, test=60, accuracy={"sft": 0.6, "ours": 0.9, "teacher": 0.7})
    )


def test_every_division_covers_the_questions_and_agrees_with_the_whole(study):
    (board,) = scoreboards(study)
    found = kinds(study, board)
    assert {each.of for each in found} == {
        "Seed", "Words of the question", "Sentences of the teacher's response", "The teacher's own answer",
    }  # fmt: skip
    for of in {each.of for each in found}:
        assert sum(each.difference.n for each in found if each.of == of) == 120
    seeds = {each.name: each for each in found if each.of == "Seed"}
    scores = by_question(study)[board.place]
    for seed in (0, 1):
        rows = scores.filter(pl.col("seed") == seed)
        mean = {key: rows.filter(pl.col("variant") == key)["correct"].mean() for key in ("ours", "sft")}
        kind = seeds[str(seed)]
        assert (kind.first, kind.second) == (mean["ours"], mean["sft"])
        assert kind.difference.difference == pytest.approx(mean["ours"] - mean["sft"])
        assert kind.difference.low < kind.difference.difference < kind.difference.high


def test_votes_are_the_right_ones_of_the_most_answers_that_a_student_gave(study, tmp_path):
    """Of a question's four answers 0, 1 or 3 are right; growth tells fewer answers, and other rules, too."""
    (board,) = scoreboards(study)
    runs = []
    for run in study.evaluations:
        names = tables.read(run.scores, tables.SCORES)["query_id"].unique().sort()
        rows = [
            (name, n, rule, (0, 0.25, 0.75)[at % 3] if rule == "mean" else 1.0)
            for at, name in enumerate(names)
            for n in (1, 2, 4)
            for rule in ("mean", "majority")
        ]
        growth = tmp_path / f"{run.variant}{run.seed}.parquet"
        tables.write(pl.DataFrame(rows, schema=tables.GROWTH, orient="row"), growth, tables.GROWTH)
        runs.append(replace(run, growth=growth if run.variant == "sft" else None))
    found = kinds(replace(study, evaluations=runs), board)
    votes = {
        each.name: each.difference.n for each in found if each.of == "Votes of a student for the right answer"
    }
    assert votes == {"0": 40, "1": 40, "2 to 3": 40}


def test_numbers_are_divided_at_their_thirds_and_many_words_not_at_all():
    rows = pl.DataFrame({"words": [1, 2, 3, 4, 5, 6, None], "group": [f"g{each}" for each in range(7)]})
    assert [(name, len(part)) for name, part in _parts(rows, "words")] == [
        ("1 to 2", 2),
        ("3 to 4", 2),
        ("5 to 6", 2),
    ]
    assert len(_parts(rows, "group")) == 7
    many = pl.DataFrame({"group": [f"g{each}" for each in range(21)], "words": [7] * 21})
    assert _parts(many, "group") == [] and [name for name, _ in _parts(many, "words")] == ["7"]
