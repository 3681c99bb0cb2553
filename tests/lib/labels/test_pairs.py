from itertools import product

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.labels.pairs import KINDS, build, contrast, split_queries

ALL = dict.fromkeys(KINDS, 0)
SCHEMA = {"query_id": pl.String, "sample_id": pl.Int32, "score": pl.Float64, "text": pl.UInt64}


def side(*rows, query="q"):
    """Rows of (score, text); sample ids count up."""
    return pl.DataFrame(
        [(query, i, float(score), text) for i, (score, text) in enumerate(rows)], schema=SCHEMA, orient="row"
    )


def ids(pairs, kind):
    kept = pairs.filter(pl.col("kind") == kind).sort("chosen_sample_id", "rejected_sample_id")
    return kept.select("chosen_sample_id", "rejected_sample_id").rows()


def test_eq5_by_hand():
    teacher = side((1, 100), (1, 101))
    student = side((1, 1), (0, 2), (1, 100), (0, 3))
    pairs, counts = build(teacher, student, 1.0, ALL, None, 0)
    assert ids(pairs, "teacher_student") == [(0, 0), (1, 0), (1, 2)]  # teacher 0 and student 2 are one text
    assert ids(pairs, "student_student") == [(0, 1), (0, 3), (2, 1), (2, 3)]
    assert counts["teacher_student"] == {
        "possible": 4,
        "identical": 1,
        "repeated": 0,
        "capped": 0,
        "thinned": 0,
        "kept": 3,
    }


def test_equal_pairs_of_texts_count_once():
    pairs, counts = build(side((1, 9), (1, 9)), side((1, 1), (1, 1), (0, 2), (0, 2)), 1.0, ALL, None, 0)
    assert ids(pairs, "teacher_student") == [(0, 0)]
    assert ids(pairs, "student_student") == [(0, 2)]
    assert [counts[kind]["repeated"] for kind in KINDS] == [3, 3]


def test_judged_scores_are_ordered():
    pairs, _ = build(side((5, 9)), side((5, 1), (3, 2), (0, 3), (3, 4)), 5.0, ALL, None, 0)
    assert ids(pairs, "teacher_student") == [(0, 0)]
    assert ids(pairs, "student_student") == [(0, 1), (0, 2), (0, 3), (1, 2), (3, 2)]


def test_contrast_drops_all_right_and_all_wrong():
    grades = pl.concat(
        [
            side((1, 0), (1, 0), query="right"),
            side((0, 0), query="wrong"),
            side((1, 0), (0, 0), query="mixed"),
        ]
    )
    kept, counts = contrast(grades, 1.0)
    assert kept["query_id"].to_list() == ["mixed"]
    assert counts == {"sampled": 3, "all_right": 1, "all_wrong": 1, "kept": 1}
    judged = pl.concat([side((2, 0), (4, 0), query="mixed"), side((2, 0), (2, 0), query="flat")])
    missing = judged.with_columns(pl.when(pl.col("score") == 4).then(None).otherwise("score").alias("score"))
    assert contrast(judged, 5.0)[0]["query_id"].to_list() == ["mixed"]
    assert contrast(missing, 5.0)[1]["kept"] == 0


def test_a_querys_pairs_do_not_depend_on_other_queries():
    one = side(*[(i % 2, i) for i in range(10)], query="a")
    other = side(*[(i % 2, i + 50) for i in range(10)], query="0")
    teacher = side((1, 90), (1, 91), query="a")
    caps = dict.fromkeys(KINDS, 3)
    alone, _ = build(teacher, one, 1.0, caps, None, 0)
    beside, _ = build(teacher, pl.concat([other, one]), 1.0, caps, None, 0)
    key = ["kind", "chosen_sample_id", "rejected_sample_id"]
    assert beside.filter(pl.col("query_id") == "a").sort(key).equals(alone.sort(key))
    assert not build(teacher, one, 1.0, caps, None, 1)[0].sort(key).equals(alone.sort(key))


def test_teacher_ratio_thins_the_more_frequent_kind():
    teacher, student = side(*[(1, 100 + i) for i in range(4)]), side(*[(i % 2, i) for i in range(8)])
    full, _ = build(teacher, student, 1.0, ALL, None, 0)
    assert [len(ids(full, kind)) for kind in KINDS] == [16, 16]
    for ratio, expected in ((0.5, [8, 16]), (2.0, [16, 8]), (0.0, [0, 16]), (1.0, [16, 16])):
        pairs, counts = build(teacher, student, 1.0, ALL, ratio, 0)
        assert [len(ids(pairs, kind)) for kind in KINDS] == expected
        assert [counts[kind]["thinned"] for kind in KINDS] == [16 - kept for kept in expected]


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=10)


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.integers(0, 4), st.integers(0, 4), st.none() | st.floats(0, 3), st.integers(0, 3))
def test_pairs_are_ordered_distinct_and_counted(teacher, student, most_teacher, most_student, ratio, seed):
    teacher = [(5, text) for _, text in teacher]
    caps = dict(zip(KINDS, (most_teacher, most_student), strict=True))
    pairs, counts = build(side(*teacher), side(*student), 5.0, caps, ratio, seed)
    sources = {"teacher": teacher, "student": student}
    for row in pairs.iter_rows(named=True):
        chosen = sources[row["chosen_source"]][row["chosen_sample_id"]]
        rejected = sources["student"][row["rejected_sample_id"]]
        assert chosen[1] != rejected[1]
        assert (row["chosen_score"], row["rejected_score"]) == (chosen[0], rejected[0])
        if row["kind"] == "teacher_student":
            assert chosen[0] == rejected[0] == 5
        else:
            assert chosen[0] > rejected[0]
    plus = [row for row in student if row[0] == 5]
    possible = {
        "teacher_student": list(product(teacher, plus)),
        "student_student": [(a, b) for a, b in product(student, student) if a[0] > b[0]],
    }
    for kind in KINDS:
        count, cap = counts[kind], caps[kind]
        assert count["possible"] == len(possible[kind])
        assert count["identical"] == sum(a[1] == b[1] for a, b in possible[kind])
        assert count["possible"] == sum(value for key, value in count.items() if key != "possible")
        assert count["kept"] == len(ids(pairs, kind)) == len(set(ids(pairs, kind)))
        assert not cap or count["kept"] <= cap


def test_split_is_by_query_and_stable():
    pairs = pl.DataFrame({"query_id": [f"q{i // 3}" for i in range(3000)]})
    split = split_queries(pairs, 0.1, 0)
    assert split.group_by("query_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert 60 < split.filter(pl.col("split") == "validation")["query_id"].n_unique() < 140
    few = split_queries(pairs.head(600), 0.1, 0)
    assert few.join(split.unique(), on=["query_id", "split"], how="anti").is_empty()
    for count in (2, 3, 5):
        assert split_queries(pairs.head(3 * count), 0.1, 0)["split"].n_unique() == 2
    assert split_queries(pairs, 0.0, 0)["split"].unique().to_list() == ["train"]
    assert not split_queries(pairs, 0.1, 1).sort("query_id").equals(split.sort("query_id"))
