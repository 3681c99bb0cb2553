"""How a phrase writes its number, and what several numbers in it mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.tasks import task_of
from scripts.lib.tasks.reading.phrases import sides

NUMBERS = [
    ("118 000", "118000"),
    ("$118 000.", "118000"),
    ("1 234 567 dollars", "1234567"),
    ("1.234,50 euros", "1234.5"),
    ("1.234.567", "1234567"),
    ("1.234", "1.234"),
    ("3'500", "3500"),
    ("70k", "70000"),
    ("$1.5m", "1500000"),
    ("5m", "5"),
    ("8 500 ml bottles", "8"),
    ("240 5 dollar bills", "240"),
    ("1.2 x 10^3", "1200"),
    ("1.2 × 10³", "1200"),
    ("5 m²", "5"),
    ("negative 5", "-5"),
    ("minus $5", "-5"),
    ("40 minutes and 30 seconds", "40.5"),
    ("1 hour and 30 minutes", "1.5"),
    ("18, no wait, 20", "20"),
    ("\\frac{1}2", "0.5"),
    ("\\frac1{2}", "0.5"),
    ("2\\frac1{20}", "2.05"),
    ("$(5)$", "5"),
    ("$(-5) $", "-5"),
    ("$(1,200)$", "1200"),
    ("5**2", "25"),
    ("**5** 2-litre bottles", "5"),
    ("7.6, rounded up to 8", "8"),
    ("7.67 (rounded to 2 decimal places)", "7.67"),
    ("3 + 5 is 8", "8"),
    ("15 = 18 - 3", "15"),
]

SEVERAL = [
    "30 roses, 20 carnations, and 10 lilies",
    "52 slices of cheese pizza and 16 slices of the other",
    "75 kilograms to her cousin and 100 kilograms to her brother",
    "6 red boxes and 4 blue boxes",
    "40; 50",
    "over 8",
    "40\\pi",
    "\\sqrt{2}",
    "20(1 + 0.2)",
    "eggs * 3",
    "5**2**3",
    "5**n",
    "1e400",
    "1_000",
]


@pytest.mark.parametrize(("phrase", "value"), NUMBERS)
@pytest.mark.parametrize("way", ["The answer is {}", "#### {}", "\\boxed{{{}}}"])
def test_a_number_is_read_wherever_it_is_stated(phrase, value, way):
    assert task_of("numeric").read(way.format(phrase)).value == value


@pytest.mark.parametrize("phrase", SEVERAL)
@pytest.mark.parametrize("way", ["The answer is {}", "#### {}", "\\boxed{{{}}}"])
def test_several_numbers_are_no_answer(phrase, way):
    assert task_of("numeric").read(way.format(phrase)).value is None


@given(st.integers(1000, 10**9))
def test_groups_of_three_in_every_style(number):
    for mark in (" ", "'", "\u202f", "\\,", ","):
        text = f"{number:,}".replace(",", mark)
        assert task_of("numeric").read(f"The answer is {text}.").value == str(number)


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("\\fbox{18}", "18"),
        ("\\boxed{\\text{She has 18 eggs}}", "18"),
        ("#### Sarah is 18 years old.", "18"),
        ("The solution is 18.", "18"),
        ("The answer comes out to 18.", "18"),
        ("The answer I got is 18.", "18"),
        ("This gives an answer of 18.", "18"),
        (
            '{"answer": "18 eggs a day (of 20)"}\nNote that the answer is given in eggs, '
            "since no weight is given.",
            "18",
        ),
        ("#### 1. Add the boxes\n\n3 * 6 = 18\n\n#### 2. Take away\n\nSo she has 18 - 2 = 16 eggs.", "16"),
        ("#### -2.50.\n\nSince this is negative, Joe does not have any money left.", "-2.5"),
    ],
)
def test_ways_of_stating(response, value):
    assert task_of("numeric").read(response).value == value


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("There isn't enough information to determine this.", "None"),
        ("The problem lacks the information needed.", "None"),
        ("We don't have any information about the price.", "None"),
        ("No answer can be given.", "None"),
        ("Therefore, John is missing $150.", "150"),
        ("So he has $5, he does not have enough money. He needs $3 more. The answer is 3.", "3"),
        ("Tom does not have any apples left. The answer is 0.", "0"),
    ],
)
def test_a_lack_of_information_is_told_from_any_other_lack(response, value):
    assert task_of("gsm_plus").read(response).value == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("5 + 7 = 12", ["5 + 7 ", " 12"]),
        ("5 and 7 adds up to 12", ["5 and 7", "12"]),
        ("x is equal to 5", ["x", "5"]),
        ("half of it equals $5", ["half of it", "$5"]),
        ("5 + 7 is 12", ["5 + 7 ", " 12"]),
        ("5 >= 3, 5 != 3, 5 == 5", ["5 >= 3, 5 != 3, 5 == 5"]),
        ("all are equal to him", ["all are equal to him"]),
    ],
)
def test_an_equation_has_sides_in_signs_or_words(text: str, parts: list[str]) -> None:
    assert sides(text) == parts
