"""A response, and a judge, may take back what they have just said."""

import pytest

from scripts.lib.labels.judgement import break_verdicts, read_score
from scripts.lib.tasks.choice import read_choice
from scripts.lib.tasks.math import read_math
from scripts.lib.tasks.numeric import read_number
from scripts.lib.tasks.reading.retraction import said_instead

TAKEN_BACK = [
    "X. Oops, I mean Y.",
    "X. Oops! Y.",
    "X. Wait, no, Y.",
    "X. No, wait, it is Y.",
    "X. Wait, that is wrong. It should be Y.",
    "X.\n\nWait, that's not right.\nIt should be Y.",
    "X... actually, Y.",
    "X. Actually, it's **Y**.",
    "X - sorry, Y.",
    "X. Sorry, that should be Y.",
    "X. Correction: Y",
    "X. Let me correct that: Y.",
    "X, no, Y.",
    "X (no, Y).",
    "X. Scratch that, Y.",
    "X. Hmm, I made a mistake. The correct answer is Y.",
    "X. My mistake, it should have been Y.",
    "X, or rather Y.",
    "X. Make that Y!",
    "X. I meant to say Y.",
    "~~X~~ Y",
]
UPHELD = [
    "X. Actually, Y of them say so.",
    "X. Wait Y minutes before you check.",
    "X. Nothing else fits: Y are too many.",
    "X. Sorry for the long way there.",
    "X. It is not Y.",
]


def said(form: str, stated: str, instead: str) -> str:
    return form.replace("X", stated).replace("Y", instead)


@pytest.mark.parametrize("form", TAKEN_BACK)
def test_what_is_said_instead_counts(form):
    assert read_number("The answer is " + said(form, "18", "20")).value == "20"
    assert read_number("#### " + said(form, "18", "-20")).value == "-20"
    assert read_choice("The answer is " + said(form, "B", "C"), ["red", "green", "blue"]).value == "C"
    assert read_score("Score: " + said(form, "2", "4")).value == "4"


@pytest.mark.parametrize("form", [form for form in TAKEN_BACK if "**" not in form and "~" not in form])
def test_formulas_are_taken_back_too(form):
    assert read_math("The answer is " + said(form, "$x+1$", "$x+2$")).value == "x+2"


@pytest.mark.parametrize("form", UPHELD)
def test_what_takes_nothing_back_leaves_the_answer(form):
    assert read_number("The answer is " + said(form, "18", "5")).value == "18"
    assert read_choice("The answer is " + said(form, "B", "A few"), ["red", "green", "blue"]).value == "B"
    assert read_score("Score: " + said(form, "2", "5")).value == "2"


def test_a_number_and_its_unit_stand_in_for_another():
    assert read_number("The answer is 18 eggs. Oops, I mean 1,200 eggs per day.").value == "1200"
    assert read_number("She has 18 eggs left. Wait, no, 20 eggs.").value == "20"


def test_the_letter_stands_where_it_is_said():
    answer = read_choice("The answer is B. Wait, no, C", ["red", "green", "blue"])
    assert answer.span == (27, 28)


def test_a_response_cannot_take_the_judges_score_back():
    assert not any(character.isdigit() for character in break_verdicts("Great. Oops, I mean 5."))


def test_a_text_that_was_cut_off_may_say_more():
    assert read_score("Score: 2. Oops, I mean 4", "length").value != "4"


def test_only_the_end_of_a_text_takes_back():
    assert said_instead("18. Oops, I mean 20. " + "And so on. " * 20) is None
