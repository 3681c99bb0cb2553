from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.errors import UserError
from scripts.lib.labels.pairs import KINDS, build, contrast, divide, hold_out, queries_of, split_queries
from scripts.lib.labels.settings import Pairing

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
    pairs, counts = build(teacher, student, 1.0, ALL, 0)
    assert ids(pairs, "teacher_student") == [(0, 0), (1, 0), (1, 2)]  # teacher 0 and student 2 are one text
    assert ids(pairs, "student_student") == [(0, 1), (0, 3), (2, 1), (2, 3)]
    assert counts["teacher_student"] == {
        "possible": 4,
        "identical": 1,
        "repeated": 0,
        "capped": 0,
    }


def test_equal_pairs_of_texts_count_once():
    pairs, counts = build(side((1, 9), (1, 9)), side((1, 1), (1, 1), (0, 2), (0, 2)), 1.0, ALL, 0)
    assert ids(pairs, "teacher_student") == [(0, 0)]
    assert ids(pairs, "student_student") == [(0, 2)]
    assert [counts[kind]["repeated"] for kind in KINDS] == [3, 3]


def test_judged_scores_are_ordered():
    pairs, _ = build(side((5, 9)), side((5, 1), (3, 2), (0, 3), (3, 4)), 5.0, ALL, 0)
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


@pytest.mark.parametrize("cap", [1, 7])
def test_caps_keep_the_pairs_of_the_smallest_hashes(cap):
    """Also of queries with few pairs among queries with many, where most pairs are left out unsorted."""
    sizes = {"few": 3, "many": 40, "more": 60}
    student = pl.concat(side(*[(i % 2, i) for i in range(n)], query=name) for name, n in sizes.items())
    every, _ = build(student.clear(), student, 1.0, ALL, 0)
    capped, counts = build(student.clear(), student, 1.0, dict.fromkeys(KINDS, cap), 0)
    smallest = every.sort("query_id", "order").group_by("query_id", maintain_order=True).head(cap)
    assert capped.sort("query_id", "order").equals(smallest.select(capped.columns))
    assert counts["student_student"]["capped"] == every.height - capped.height


def test_a_querys_pairs_do_not_depend_on_other_queries():
    one = side(*[(i % 2, i) for i in range(10)], query="a")
    other = side(*[(i % 2, i + 50) for i in range(10)], query="0")
    teacher = side((1, 90), (1, 91), query="a")
    caps = dict.fromkeys(KINDS, 3)
    alone, _ = build(teacher, one, 1.0, caps, 0)
    beside, _ = build(teacher, pl.concat([other, one]), 1.0, caps, 0)
    key = ["kind", "chosen_sample_id", "rejected_sample_id"]
    assert beside.filter(pl.col("query_id") == "a").sort(key).equals(alone.sort(key))
    assert not build(teacher, one, 1.0, caps, 1)[0].sort(key).equals(alone.sort(key))


QUERIES = [f"q{number:03d}" for number in range(300)]


def sampled(queries: list[str] = QUERIES):
    """Pairs of many queries: 6 of the teacher and 9 of the student each, 2 and 1 of every fifth."""
    teacher = pl.concat([side((1, 100), (1, 101), query=query) for query in queries])
    full, bare = [(1, 1), (1, 2), (1, 3), (0, 4), (0, 5), (0, 6)], [(1, 1), (0, 4)]
    student = [side(*(full if int(query[1:]) % 5 else bare), query=query) for query in queries]
    return build(teacher, pl.concat(student), 1.0, ALL, 0)


def held_out(pairs, fraction, seed):
    """The pairs of the held-out queries."""
    queries = pairs.select(pl.col("query_id").unique().sort())
    return pairs.join(hold_out(queries, fraction, seed), on="query_id", how="semi")


def kinds(pairs, split=None):
    counted = pairs.filter(split is None or pl.col("split") == split).group_by("kind").len()
    return dict.fromkeys(KINDS, 0) | dict(counted.iter_rows())


def test_teacher_ratio_thins_training_only_at_a_fixed_total():
    every, counts = sampled()
    test = held_out(every, 0.1, 0)
    free, _ = divide(every, test, Pairing(), 0, counts)
    train, total = kinds(free, "train"), min(kinds(free, "train").values())
    for ratio, share in ((0.0, 0.0), (0.25, 0.2), (1.0, 0.5), (4.0, 0.8)):
        pairs, found = divide(every, test, Pairing(teacher_ratio=ratio), 0, counts)
        kept = kinds(pairs, "train")
        assert kept["teacher_student"] == round(share * total) and sum(kept.values()) == total
        assert {kind: found[kind]["thinned"] for kind in KINDS} == {
            kind: train[kind] - kept[kind] for kind in KINDS
        }
        for kind in KINDS:
            assert found[kind]["possible"] == sum(found[kind].values()) - found[kind]["possible"]
        assert kinds(pairs, "validation") == kinds(free, "validation")
        assert pairs.join(free, on=pairs.columns, how="anti").is_empty()


def test_a_hash_thins_whatever_the_query_and_whatever_its_number_of_pairs():
    """Neither the first queries nor those whose cap had more to choose from are kept more often."""
    wrong = [[(0, text) for text in range(2, 2 + (1 if number % 2 else 20))] for number in range(300)]
    student = pl.concat(
        [side((1, 1), *rows, query=query) for query, rows in zip(QUERIES, wrong, strict=True)]
    )
    teacher = pl.concat([side((1, 100), query=query) for query in QUERIES])
    every, counts = build(teacher, student, 1.0, dict.fromkeys(KINDS, 1), 0)
    pairing = Pairing(teacher_ratio=1.0, validation_fraction=0.0)
    pairs, _ = divide(every, every.clear(), pairing, 0, counts)
    own = pairs.filter(pl.col("kind") == "student_student")
    assert own.height == 150
    many, few = (own.filter(pl.col("query_id").str.slice(1).cast(int) % 2 == odd).height for odd in (0, 1))
    first = own.filter(pl.col("query_id") < "q150").height
    assert 60 < many < 90 and 60 < few < 90 and 60 < first < 90


def test_a_ratio_of_what_there_is_not_is_one_line():
    every, counts = build(side((1, 1)), side((1, 1), (0, 2)), 1.0, ALL, 0)
    with pytest.raises(UserError, match="both kinds, there are 0 teacher_student and 1 student_student"):
        divide(every, every.clear(), Pairing(teacher_ratio=1.0, validation_fraction=0.0), 0, counts)


def test_the_held_out_queries_are_learnt_by_no_reward():
    """Whatever a reward's caps: its pairs fall into three parts by query, and the test part is another's."""
    every, counts = sampled()
    test = held_out(every, 0.1, 0)
    assert 15 <= test["query_id"].n_unique() <= 45
    few, kept = divide(every.filter(pl.col("kind") == "student_student"), test, Pairing(), 0, counts)
    pairs, found = divide(every, test, Pairing(), 0, counts)
    for table in (few, pairs):
        assert table.join(test, on="query_id", how="semi").is_empty()
        assert set(table["split"]) == {"train", "validation"}
        assert table.group_by("query_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert pairs.height + test.height == every.height
    assert {kind: count["held_out"] for kind, count in found.items()} == kinds(test)
    rest = pairs["query_id"].n_unique()
    assert 0.05 * rest < pairs.filter(pl.col("split") == "validation")["query_id"].n_unique() < 0.15 * rest
    assert not held_out(every, 0.1, 1).equals(test) and held_out(every, 0.5, 0).height > 3 * test.height


FEW = st.lists(st.tuples(st.integers(3, 5), st.integers(0, 1)), min_size=1, max_size=4)


@given(st.lists(st.tuples(FEW, FEW), min_size=1, max_size=4))
def test_which_queries_have_pairs_is_known_without_making_them(rows):
    """Of few texts and scores: often one text alone, of either model or of both."""
    sides = [(side(*a, query=f"q{i}"), side(*b, query=f"q{i}")) for i, (a, b) in enumerate(rows)]
    teacher, student = (pl.concat(each) for each in zip(*sides, strict=True))
    kept, _ = contrast(student, 5.0)
    teacher, student = (each.join(kept, on="query_id", how="semi") for each in (teacher, student))
    teacher = teacher.filter(pl.col("score") == 5)
    pairs, _ = build(teacher, student, 5.0, dict.fromkeys(KINDS, 1), 0)
    assert queries_of(teacher, student, 5.0)["query_id"].to_list() == sorted(set(pairs["query_id"]))


def test_another_text_of_the_teacher_makes_no_pair_where_no_answer_of_the_student_is_as_good():
    """Judged twice: one text with two scores, of which none is the best."""
    teacher, student = side((5, 1)), side((3, 0), (4, 0))
    pairs, _ = build(teacher, student, 5.0, ALL, 0)
    assert pairs.is_empty() and queries_of(teacher, student, 5.0).is_empty()


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=10)


@settings(max_examples=40)
@given(ROWS, ROWS, st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
def test_pairs_are_ordered_distinct_and_counted(teacher, student, most_teacher, most_student, seed):
    teacher = [(5, text) for _, text in teacher]
    caps = dict(zip(KINDS, (most_teacher, most_student), strict=True))
    pairs, counts = build(side(*teacher), side(*student), 5.0, caps, seed)
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
        kept = len(ids(pairs, kind))
        assert count["possible"] == count["identical"] + count["repeated"] + count["capped"] + kept
        assert kept == len(set(ids(pairs, kind))) and (not cap or kept <= cap)


def test_split_is_by_query_and_stable():
    pairs = pl.DataFrame({"query_id": [f"q{i // 3}" for i in range(3000)]})
    split = split_queries(pairs, pairs.clear(), 0.1, 0)
    assert split.group_by("query_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert 60 < split.filter(pl.col("split") == "validation")["query_id"].n_unique() < 140
    few = split_queries(pairs.head(600), pairs.clear(), 0.1, 0)
    assert few.join(split.unique(), on=["query_id", "split"], how="anti").is_empty()
    for count in (2, 3, 5):
        assert split_queries(pairs.head(3 * count), pairs.clear(), 0.1, 0)["split"].n_unique() == 2
    assert split_queries(pairs, pairs.clear(), 0.0, 0)["split"].unique().to_list() == ["train"]
    assert not split_queries(pairs, pairs.clear(), 0.1, 1).sort("query_id").equals(split.sort("query_id"))
