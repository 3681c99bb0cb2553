"""Canonical values: equality of strings is the equivalence of answers."""

import string

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.errors import UserError
from scripts.lib.tasks import TASKS, task_of
from scripts.lib.tasks.bulk import are_correct
from scripts.lib.tasks.reading.quantity import canonical, from_words, quantities, rational

RATIONALS = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**4)


@given(RATIONALS)
def test_canonical_text_is_one_to_one(value):
    assert rational(canonical(value)) == value
    assert canonical(rational(canonical(value))) == canonical(value)


@given(RATIONALS, RATIONALS)
def test_equal_texts_mean_equal_numbers(first, second):
    assert (canonical(first) == canonical(second)) == (first == second)


@given(RATIONALS)
def test_a_canonical_value_reads_as_itself(value):
    assert task_of("numeric").read(f"The answer is {canonical(value)}.").value == canonical(value)


WAYS = ("{}", "${}", "{} dollars", "{}.00", "**{}**", "\\boxed{{{}}}", "{}%", "${}.0$")


@given(st.integers(-999, 10**7), st.sampled_from(WAYS), st.sampled_from(WAYS))
def test_ways_of_writing_a_number_are_equivalent(number, one, other):
    first, second = (
        task_of("numeric").read(f"The answer is {way.format(number)}").value for way in (one, other)
    )
    assert first == second == str(number)


@given(st.integers(1000, 10**9))
def test_thousands_separators(number):
    for text in (f"{number:,}", f"{number:,}".replace(",", "{,}"), f"{number:,}".replace(",", "\\,")):
        assert task_of("numeric").read(f"The answer is {text}.").value == str(number)


@given(
    st.text(alphabet=string.printable + "−½€“４", max_size=400),
    st.sampled_from(list(TASKS)),
)
def test_any_text_gives_a_sound_answer(text, task):
    answer = task_of(task).read(text, ["x", "y"])
    assert answer.status in ("ok", "none", "ambiguous", "truncated")
    assert (answer.value is not None) == (answer.status == "ok")
    assert answer == task_of(task).read(text, ["x", "y"])
    if answer.span:
        assert 0 <= answer.span[0] <= answer.span[1] <= len(text)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("one hundred and fifty", "150"),
        ("twenty-five", "25"),
        ("two and a half", "2.5"),
        ("three quarters", "0.75"),
        ("two thousand three hundred and four", "2304"),
        ("a million", "1000000"),
        ("half", "0.5"),
        ("two three", None),
    ],
)
def test_number_words(words, value):
    assert from_words(words) == value


def test_numbers_in_a_text():
    assert [number.value for number in quantities("-5 and 1,234.50, $3, 2 1/2, 1e3, v2x, 1,2, 3.1.4")] == [
        "-5",
        "1234.5",
        "3",
        "2.5",
        "1000",
    ]


def right(task: str, answers: list[str | None], golds: list[str]) -> list[bool]:
    return are_correct(task, pl.Series(answers, dtype=pl.String), pl.Series(golds)).to_list()


@pytest.mark.parametrize(
    ("task", "gold", "value"),
    [
        ("numeric", "She makes 9 * 2 = 18.\n#### 1,450,000", "1450000"),
        ("numeric", "-3", "-3"),
        ("numeric", "\u22125", "-5"),
        ("numeric", "\u2013 5", "-5"),
        ("numeric", "- 5", "-5"),
        ("numeric", "minus 5", "-5"),
        ("numeric", "Negative 5 degrees", "-5"),
        ("numeric", "-$5", "-5"),
        ("numeric", "\u22121/2", "-0.5"),
        ("numeric", "-\\frac{1}{2}", "-0.5"),
        ("numeric", "3\u00bd", "3.5"),
        ("numeric", "5\u00b2", "25"),
        ("numeric", "10\u2076", "1000000"),
        ("numeric", "5 m\u00b2", "5"),
        ("numeric", "$18 dollars per day.", "18"),
        ("gsm_plus", "None", "None"),
        ("gsm_plus", "1/2", "0.5"),
        ("choice", "(b)", "B"),
    ],
)
def test_golds(task, gold, value):
    assert task_of(task).gold(gold) == value
    assert right(task, [value, None], [gold, gold]) == [True, False]


def test_golds_that_are_no_answers_are_errors():
    numbers = ("eighteen eggs", "3 or 4", "0x10", "1_000", "1e400", "2x", "3\\pi", "3\u03c0", "not 5", "5km")
    numbers += ("18 (of 20)", "18 eggs and 2", "5!", "1.2.3", "5 + 3", "")
    for task, gold in [*(("numeric", number) for number in numbers), ("choice", "blue"), ("gsm9k", "1")]:
        with pytest.raises(UserError):
            task_of(task).gold(gold)


@pytest.mark.parametrize(
    ("value", "gold", "rounds"),
    [
        ("4.33", "4.33", True),
        ("13/3", "4.33", True),
        ("4.333", "4.33", True),
        ("4.3", "4.33", False),
        ("4.34", "4.33", False),
        ("-13/3", "4.33", False),
        ("14/3", "4.67", True),
        ("14/3", "4.66", False),
        ("4.335", "4.34", True),
        ("-14/3", "-4.67", True),
        ("4.6", "5", False),
        ("None", "4.33", False),
    ],
)
def test_rounded_references_of_gsm_plus_are_a_rule_of_scoring_alone(value, gold, rounds):
    assert right("gsm_plus", [value], [gold]) == [rounds]
    assert right("numeric", [value], [gold]) == [value == gold]
