"""Short texts: labels, yes or no, names."""

import pytest

from scripts.lib.errors import UserError
from scripts.lib.tasks.exact import exact_gold, read_exact

LABELS = ["Positive", "negative", "very negative"]


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("The answer is Paris.", "paris"),
        ("**Answer:** Paris", "paris"),
        ("The answer is St. Louis.", "st. louis"),
        ("#### New  York", "new york"),
        ("<answer>“Yes”</answer>", "yes"),
        (r"\boxed{\text{Yes}}", "yes"),
        ("The answer is Paris, which lies on the Seine.", "paris"),
        ("Paris, France", "paris, france"),
        ("Yes, because the sky is blue where there are no clouds at all.", "yes"),
        ("No.\nThe sky is not blue.", "no"),
        ("First the answer is Rome. No, the answer is Paris.", "paris"),
        ("We refer to the encyclopedia, which says so.", None),
        ("If the answer is Paris, we are done.", None),
        ("The answer cannot be determined.", None),
    ],
)
def test_reading(response, value):
    assert read_exact(response).value == value


@pytest.mark.parametrize(
    ("response", "value", "status"),
    [
        ("The label is **Positive** - it praises.", "positive", "ok"),
        ("Answer: very negative, because of the end", "very negative", "ok"),
        ("Answer: mixed", None, "ambiguous"),
        ("negative", "negative", "ok"),
        ("I cannot say", None, "none"),
    ],
)
def test_with_options_an_answer_is_one_of_them(response, value, status):
    assert read_exact(response, LABELS)[:2] == (value, status)


YES_NO = ["yes", "no"]
OTHER = [
    ("yes, it is", YES_NO, "yes"),
    ("yes it is", YES_NO, "yes"),
    ("no it is not", YES_NO, "no"),
    ("Yes, there is no doubt", YES_NO, "yes"),
    ("yes (no doubt)", YES_NO, "yes"),
    ("positive, not negative", LABELS, "positive"),
    ("positive rather than negative", LABELS, "positive"),
    ("very negative; it is positive at first", LABELS, "very negative"),
    ("4 stars", list("12345"), "4"),
    ("(B) a cat", ["A", "B"], "b"),
    ("B is right", ["A", "B"], "b"),
    ("yes or no", YES_NO, None),
    ("yes/no", YES_NO, None),
    ("yes & no", YES_NO, None),
    ("yes, no", YES_NO, None),
    ("yes, and no", YES_NO, None),
    ("yes - no", YES_NO, None),
    ("no idea", YES_NO, None),
    ("positive and negative", LABELS, None),
    ("negative or positive", LABELS, None),
    ("positive with negative parts", LABELS, None),
    ("positive-ish", LABELS, None),
    ("1.5", ["1", "0"], None),
    ("1,000", ["1", "0"], None),
    ("4/5", list("12345"), None),
    ("a cat", ["A", "B"], None),
    ("A, B", ["A", "B"], None),
]


@pytest.mark.parametrize(("answer", "options", "value"), OTHER)
@pytest.mark.parametrize("way", ["Answer: {}", "The answer is {}.", "<answer>{}</answer>"])
def test_several_options_and_words_that_only_open_like_one_are_none(answer, options, value, way):
    assert read_exact(way.format(answer), options)[:2] == (value, "ok" if value else "ambiguous")


def test_what_was_cut_off_states_nothing():
    assert read_exact("Answer: Par", finish_reason="length").status == "truncated"
    assert read_exact("Answer: Paris.\nIt lies", finish_reason="length").value == "paris"


def test_golds():
    assert exact_gold(" “New York”. ") == "new york" == read_exact("Answer: new york").value
    with pytest.raises(UserError, match="empty"):
        exact_gold("...")
