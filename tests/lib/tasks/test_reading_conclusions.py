"""What the end of a response concludes when nothing marks its answer, and what concludes nothing."""

import pytest

from scripts.lib.tasks import task_of

WORKING = "There are 3 boxes of 6. 3 * 6 = 18.\n\n"

CONCLUSIONS = [
    ("Therefore, Mr. Baker has 18 eggs.", "18"),
    ("Therefore, there are 18 eggs at Dr. Moore's farm.", "18"),
    ("Thus Mrs. Lee pays St. Mary's $18.", "18"),
    ("Therefore, if all boxes are full, there will be 18 eggs.", "18"),
    ("Therefore, if 2 people share them, there will still be 18 eggs.", "18"),
    ("Thus, if 2 are broken, she keeps 18 - 2 = 16 eggs.", "16"),
    ("Therefore, when the first box was opened, there were 18 eggs.", "18"),
    ("Since no egg is broken, she keeps 18 eggs.", "18"),
    ("Step 5: Therefore, she has 18 eggs in 3 boxes.", "18"),
    ("2. Take away the broken ones: 20 - 2 = 18 eggs", "18"),
    ("Step 5: In total, she has 20 - 2 = 18 eggs.", "18"),
    ("Therefore, we need 18 more cards.", "18"),
    ("Therefore, Ann is missing $18.", "18"),
    ("Therefore, Ann can run the 400-meter lap, with new shoes, in 32.4 seconds.", "32.4"),
    ("Therefore, Ann fills 9 two-litre and 2-liter bottles.", "9"),
    ("So, 54 eggs divided by 3 boxes equals 18 eggs per box.", "18"),
    ("So 3 * 6 eggs is 18.", "18"),
    ("So there are 10 brown eggs and 8 white eggs, which is 18 eggs.", "18"),
    ("So there are 10 brown eggs and 8 white ones, for a total of 18 eggs.", "18"),
    ("So Ann had 22 points before scoring 14.", "22"),
    ("| item | eggs |\n|---|---|\n| brown | 10 |\n| **Total** | **18** |", "18"),
]

NO_CONCLUSIONS = [
    "Therefore, there are 10 brown eggs in the first box and 8 white eggs in the second.",
    "So the number of eggs is 6 + 6 + 6.",
    "So she had 20 - 2 eggs left.",
    "So the value is 20(1 + 0.2)^18.",
    "This is because there are 3 boxes.",
    "1. Take away the broken ones: 20 - 2 = 18 eggs",
    "So, if a box holds 5, then 3 hold 3 * 5 = 15.",
]


@pytest.mark.parametrize(("ending", "value"), CONCLUSIONS)
def test_an_ending_that_concludes_is_read(ending, value):
    assert task_of("numeric").read(WORKING + ending).value == value


@pytest.mark.parametrize("ending", NO_CONCLUSIONS)
def test_an_ending_that_does_not_is_not(ending):
    assert task_of("numeric").read("There are 3 boxes of eggs.\n\n" + ending).value is None


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("9 + 9 = 18\n\nTherefore:\n- 18 eggs", "18"),
        ("Total:\n- 18 apples", "18"),
        ("Total:\n  \u2022 18 apples", "18"),
        ("Total:\n\u2013 $18", "18"),
        ("Therefore:\n- $18 in total.", "18"),
        ("The total is 18.\n- 18", "18"),
        ("The answer is 18.\n- 18 eggs", "18"),
        ("Final answer:\n- 12 red\n- 6 blue\n- 18 total", "18"),
        ("Final answer:\n- 12 red\n- 6 blue\n\nTotal: 18", "18"),
        ("#### 18\n- 16 eggs\n- 2 hens", "18"),
        ("So the results are:\n- 5 boys\n- 7 girls", None),
        ("Final answer:\n- 12 red\n- 6 blue", None),
        ("Answer:\n* 12 red\n* 6 blue", None),
        ("- 18 eggs\n- 5 hens", None),
        ("- 18\n\nExplanation: it is so.", None),
        ("- 5", "-5"),
        ("\n- 5\n", "-5"),
        ("16 - 21 = -5\n-5", "-5"),
        ("Total:\n- -5", "-5"),
        ("9 - 14 = -5\nThe answer is - 5 .", "-5"),
        ("9 - 14 = -5\n#### - 5", "-5"),
        ('{"answer": "- 5"}', "-5"),
    ],
)
def test_the_sign_of_a_list_is_no_minus(response, value):
    assert task_of("numeric").read(response).value == value


def test_a_phrase_that_recurs_is_no_loop_but_a_passage_on_end_is():
    phrase = "to paint the whole house. "
    working = f"One man needs 240 hours {phrase}Five men are asked {phrase}" * 2 + "240 / 5 = 48 hours\n\n"
    ending = f"Therefore, five men need 48 hours {phrase}"
    assert task_of("numeric").read(working + ending).value == "48"
    assert task_of("numeric").read(working + ending * 4).value is None


@pytest.mark.parametrize(
    "response",
    [
        '{"reasoning": "3 * 4 = 12, so she pays $12 and the total is $30 + $12 = $42',
        '```json\n{\n  "reasoning": "A box holds 6. So the total is 18',
        "Here is the answer in the requested format:\n\n```json\n{\n",
        "She has 3 boxes of 6 eggs.\nShe sells 2 of them.\nTherefore, she has 3 * 6 = 18 eggs in the fri",
    ],
)
def test_what_breaks_off_concludes_nothing(response):
    assert task_of("numeric").read(response).value is None


@pytest.mark.parametrize(
    "program",
    [
        "# Python code, return ans\nans = 0\nfor day in range(5):\n    ans += 3",
        "# Python code, return ans\nprice_per_egg = 2\neggs_sold = 9\nans = eggs_sold * price_per_egg - 400",
        "def solve():\n    eggs = 9\n    return eggs * 2",
        "eggs_sold = 9\nprint(eggs_sold * 2)",
    ],
)
def test_a_program_computes_an_answer_and_states_none(program):
    assert task_of("numeric").read(program)[:2] == (None, "none")


def test_equations_that_are_no_program_still_conclude():
    assert task_of("numeric").read("x = 5\ny = 6\nx + y = 11").value == "11"
    assert task_of("numeric").read("total_eggs = 3 * 6\n#### 18").value == "18"
    assert task_of("numeric").read("total_eggs = 18").value == "18"
    assert (
        task_of("numeric").read("eggs_sold = 9\nprint(eggs_sold * 2)\n\nSo the answer is 18.").value == "18"
    )
