import json

import polars as pl
import pytest

from scripts.lib.data.tables import LABELS, PAIRS, read, write
from scripts.lib.errors import UserError
from scripts.pair.pair import main
from tests.support.samples import answers, grades
from tests.support.steps import call

STUDENT = [("mixed", 1), ("mixed", 0), ("mixed", 0), ("right", 1), ("right", 1), ("wrong", 0), ("wrong", 0)]


@pytest.fixture
def pair(tmp_path):
    """Run the step on (query_id, score) rows of the student; the teacher answers each query well,
    twice and badly once."""

    held_out = tmp_path / "held_out.parquet"
    write(pl.DataFrame(schema=PAIRS), held_out, PAIRS)

    def run(student, best=1.0, **options):
        queries = list(dict.fromkeys(query for query, _ in student))
        teacher = [(query, score) for query in queries for score in (best, best, 0)]
        arguments = {
            "teacher_grades": grades(tmp_path / "tg.parquet", teacher),
            "student_grades": grades(tmp_path / "sg.parquet", student),
            "teacher_answers": [
                answers(
                    tmp_path / "t.parquet", [(query, f"teacher {i}") for i, (query, _) in enumerate(teacher)]
                )
            ],
            "student_answers": [
                answers(
                    tmp_path / "s.parquet",
                    [(query, f" student {i}\n") for i, (query, _) in enumerate(student)],
                )
            ],
            "held_out": held_out,
            "output": tmp_path / "pairs.parquet",
            "funnel": tmp_path / "funnel.json",
            "best_score": best,
        }
        call(main, **(arguments | options))
        return read(tmp_path / "pairs.parquet", PAIRS), json.loads((tmp_path / "funnel.json").read_text())

    return run


def test_pairs_and_funnel(pair):
    pairs, funnel = pair(STUDENT)
    assert pairs.select(
        "query_id", "kind", "chosen_source", "chosen_sample_id", "rejected_sample_id"
    ).rows() == [
        ("mixed", "student_student", "student", 0, 1),
        ("mixed", "student_student", "student", 0, 2),
        ("mixed", "teacher_student", "teacher", 0, 0),
        ("mixed", "teacher_student", "teacher", 1, 0),
    ]
    counts = {
        name: funnel[name] for name in ("queries", "labelled", "sampled", "all_right", "all_wrong", "kept")
    }
    assert list(counts.values()) == [3, 3, 3, 1, 1, 1]
    assert funnel["pairs"]["total"] == 4 == sum(part["pairs"] for part in funnel["split"].values())


def test_an_outcome_reward_model_learns_from_one_models_answers(pair):
    columns = (
        "query_id",
        "kind",
        "chosen_source",
        "chosen_sample_id",
        "rejected_source",
        "rejected_sample_id",
    )
    both, _ = pair(STUDENT)
    own, funnel = pair(STUDENT, answers="student")
    assert own.equals(both.filter(pl.col("kind") == "student_student"))
    assert funnel["pairs"]["teacher_student"]["kept"] == 0
    # The teacher contradicts itself on every query, the student on one.
    teachers, funnel = pair(STUDENT, answers="teacher")
    assert teachers.select(columns).rows() == [
        (query, "teacher_teacher", "teacher", good, "teacher", 2)
        for query in ("mixed", "right", "wrong")
        for good in (0, 1)
    ]
    assert teachers["chosen_score"].to_list() == [1.0] * 6 and set(teachers["rejected_score"]) == {0.0}
    assert funnel["kept"] == 3 and list(funnel["pairs"]) == ["teacher_teacher", "total"]
    with pytest.raises(UserError, match="teacher_ratio thins"):
        pair(STUDENT, answers="teacher", teacher_ratio=1.0)


@pytest.mark.parametrize(
    "options", [{}, {"answers": "student"}, {"answers": "teacher"}, {"teacher_ratio": 1.0}]
)
def test_no_reward_learns_a_held_out_query(pair, tmp_path, options):
    student = [(f"q{number}", score) for number in range(40) for score in (1, 1, 0)]
    every, before = pair(student, validation_fraction=0.5)
    test = every.filter(pl.col("query_id").is_in(["q3", "q7"])).with_columns(split=pl.lit("test"))
    write(test, tmp_path / "held_out.parquet", PAIRS)
    pairs, funnel = pair(student, validation_fraction=0.5, **options)
    assert set(pairs["query_id"]).isdisjoint({"q3", "q7"}) and pairs["query_id"].n_unique() > 30
    assert set(pairs["split"]) == {"train", "validation"}
    for kind, count in funnel["pairs"].items():
        if kind != "total":
            own = pairs.filter(pl.col("kind") == kind).height
            assert count["kept"] == own and count["held_out"] == (own + count["thinned"]) * 2 / 38
    assert (before["split"]["test"], funnel["split"]["test"]) == (
        {"queries": 0, "pairs": 0},
        {"queries": 2, "pairs": test.height},
    )
    assert sum(funnel["split"][part]["pairs"] for part in ("train", "validation")) == pairs.height


def test_judged_scores(pair):
    pairs, _ = pair([("a", 5), ("a", 3), ("a", None), ("b", 2), ("b", 4), ("c", 3), ("c", 3)], best=5.0)
    kinds = pairs.group_by("query_id", "kind").len().sort("query_id", "kind").rows()
    assert kinds == [("a", "student_student", 1), ("a", "teacher_student", 2), ("b", "student_student", 1)]


MANY = [(f"q{i:02d}", score) for i in range(40) for score in (1, 1, 0, 0)]


def test_each_kind_has_its_own_cap(pair):
    def kinds(**caps):
        return dict(pair(MANY, **caps)[0].group_by("kind").len().rows())

    assert kinds(max_teacher_pairs=1, max_student_pairs=3) == {"teacher_student": 40, "student_student": 120}
    assert kinds(max_teacher_pairs=3, max_student_pairs=1) == {"teacher_student": 120, "student_student": 40}


def test_the_split_has_its_share_and_its_seed(pair):
    def held_out(**options):
        pairs, funnel = pair(MANY, **options)
        chosen = set(pairs.filter(pl.col("split") == "validation")["query_id"])
        assert funnel["split"]["validation"]["queries"] == len(chosen)
        return chosen

    assert held_out(validation_fraction=0.0) == set()
    few, half = held_out(validation_fraction=0.1), held_out(validation_fraction=0.5)
    assert len(few) < 10 < len(half) and few < half
    assert held_out(validation_fraction=0.5, seed=1) != half


def test_labels_are_counted_by_reason(pair, tmp_path):
    rows = [
        ("mixed", "9", "ok"),
        ("right", "9", "ok"),
        ("wrong", "9", "ok"),
        ("x", None, "tie"),
        ("y", None, "no_answer"),
    ]
    table = pl.DataFrame(rows, schema=["query_id", "label", "reason"], orient="row")
    table = table.with_columns(share=pl.lit(0.5), votes=pl.lit(1), m=pl.lit(2))
    write(table, tmp_path / "labels.parquet", LABELS)
    _, funnel = pair(STUDENT, labels=tmp_path / "labels.parquet")
    assert (funnel["queries"], funnel["labelled"]) == (5, 3)
    assert funnel["reasons"] == {"no_answer": 1, "ok": 3, "tie": 1}


@pytest.mark.parametrize(
    ("student", "options", "message"),
    [
        (
            [("a", 1), ("a", 1)],
            {},
            "no pairs are left: 1 queries .*1 all right, 0 all wrong, 0 kept; raise .*temperature",
        ),
        ([("a", 0), ("b", 0)], {}, "0 all right, 2 all wrong, 0 kept; raise the student's n"),
        ([("a", 1), ("a", 0)], {"teacher_ratio": -1}, "teacher_ratio is -1"),
        ([("a", 1), ("a", 0)], {"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ([("a", 1), ("a", 0)], {"test_fraction": 0.0}, "test_fraction is 0.0; it must be above 0"),
        ([("a", 3), ("a", 0)], {}, "has the score 3; set best_score, which is 1"),
    ],
)
def test_nothing_left_says_what_to_turn(pair, student, options, message):
    with pytest.raises(UserError, match=message) as caught:
        pair(student, **options)
    assert "\n" not in str(caught.value)


def test_the_funnel_is_written_even_then(pair, tmp_path):
    with pytest.raises(UserError):
        pair([("a", 1)])
    assert json.loads((tmp_path / "funnel.json").read_text())["all_right"] == 1
    assert not (tmp_path / "pairs.parquet").exists()


def test_no_label_at_all(pair, tmp_path):
    rows = [("x", None, "below_threshold", 0.5, 1, 2)]
    table = pl.DataFrame(rows, schema=["query_id", "label", "reason", "share", "votes", "m"], orient="row")
    write(table, tmp_path / "labels.parquet", LABELS)
    with pytest.raises(
        UserError, match="1 queries .1 below_threshold., 0 labelled, .*lower the vote threshold"
    ):
        pair([], labels=tmp_path / "labels.parquet")


def test_the_wrong_answers_are_refused(pair, tmp_path):
    other = answers(tmp_path / "other.parquet", [("mixed", "text")])
    with pytest.raises(UserError, match="2 graded samples of the student are not in"):
        pair(STUDENT, student_answers=[other])


def test_the_same_bytes_whatever_the_order_of_files(pair, tmp_path):
    pair(STUDENT * 3, max_student_pairs=2, max_teacher_pairs=1)
    first = (tmp_path / "pairs.parquet").read_bytes()
    pair(STUDENT * 3, max_student_pairs=2, max_teacher_pairs=1)
    assert (tmp_path / "pairs.parquet").read_bytes() == first
