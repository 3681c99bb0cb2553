"""The funnel on a few counts."""

from scripts.lib.report.sections.pairs import bars

KIND = {"possible": 11, "identical": 2, "repeated": 3, "capped": 1, "held_out": 1, "thinned": 0, "kept": 4}
FUNNEL = {
    "queries": 20, "reasons": {"ok": 12, "tie": 8}, "labelled": 12, "sampled": 11, "all_right": 5,
    "all_wrong": 1, "kept": 5, "pairs": {"teacher_student": KIND, "student_student": KIND, "total": 8},
    "split": {"train": {"pairs": 7}, "validation": {"pairs": 1}, "test": {"pairs": 2}},
}  # fmt: skip


def test_the_funnel_loses_nothing():
    queries, labelled, possible, pairs = bars(FUNNEL)
    assert (queries.total, labelled.total, possible.total, pairs.total) == (20, 12, 22, 8)
    assert [(piece.name, piece.number) for piece in labelled.pieces] == [
        ("both right and wrong", 5), ("all right", 5), ("all wrong", 1), ("not sampled", 1),
    ]  # fmt: skip
    assert ("held out for Table 9", 2) in [(piece.name, piece.number) for piece in possible.pieces]
    assert pairs.remark == "7 train, 1 validation, 2 test"


def test_the_funnel_of_a_judged_data_set_and_of_an_outcome_reward_model():
    assert [piece.name for piece in bars(FUNNEL, judged=True)[1].pieces][:2] == [
        "scores differ", "all of the best score",
    ]  # fmt: skip
    last = bars(FUNNEL | {"pairs": {"teacher_teacher": KIND, "total": 4}})[-1]
    assert [(piece.name, piece.number) for piece in last.pieces] == [("teacher's right over its wrong", 4)]
