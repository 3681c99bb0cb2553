"""Numbers out of responses: how answers are stated, and what only looks like one."""

import pytest

from scripts.lib.tasks import task_of

STATED = [
    ("The answer is 6 and a half hours.", "6.5"),
    ("\\boxed{18 \\text{ dollars and } 50 \\text{ cents}}", "18.5"),
    ("The answer is 43/3 or approximately 14.33.", "43/3"),
    ("The answer is 10:00 AM.", "10"),
    ("The answer is 10% of 50 = 5.", "5"),
    ("The answer is 3x + 2 = 8, x = 2.", "2"),
    ("#### -$18", "-18"),
    ("Final answer: 0.40 * 0.20 = 0.08, or 8%", "8"),
    ("The answer is 18.", "18"),
    ("The answer is $18.", "18"),
    ("The answer is 18.00", "18"),
    ("The answer is 18 dollars.", "18"),
    ("The answer is \\$18", "18"),
    ("The answer is **18**.", "18"),
    ("The answer is $18$.", "18"),
    ("The answer is \\(18\\).", "18"),
    ("The answer is \\[18\\]", "18"),
    ("The final answer is: $\\boxed{18}$. I hope it is correct.", "18"),
    ("The answer is -5.", "-5"),
    ("The answer is −5.", "-5"),
    ("The answer is -$5", "-5"),
    ("The answer is $-5", "-5"),
    ("The answer is 1/2.", "0.5"),
    ("The answer is 0.5", "0.5"),
    ("The answer is ½", "0.5"),
    ("The answer is 2 1/2 cups.", "2.5"),
    ("The answer is 2½.", "2.5"),
    ("The answer is \\frac{1}{2}", "0.5"),
    ("The answer is $2\\frac{1}{2}$.", "2.5"),
    ("The answer is 12,345.", "12345"),
    ("The answer is 12{,}345.", "12345"),
    ("The answer is 12\\,345.", "12345"),
    ("The answer is 40%.", "40"),
    ("The answer is 40 percent.", "40"),
    ("The answer is 3:30 pm.", "3:30"),
    ("The answer is 3:00 PM.", "3"),
    ("The answer is three.", "3"),
    ("The answer is twenty-five.", "25"),
    ("The answer is one hundred and five.", "105"),
    ("The answer is two and a half hours.", "2.5"),
    ("The answer is half.", "0.5"),
    ("the answer is two thirds", "2/3"),
    ("The answer is 3 million.", "3000000"),
    ("The answer is $2.5 million.", "2500000"),
    ("The answer is 18 dollars and 50 cents.", "18.5"),
    ("The answer is 50 + 48 = 98.", "98"),
    ("The answer is x = 5.", "5"),
    ("The answer is about 18.", "18"),
    ("The answer is approximately $18.50.", "18.5"),
    ("So she has 18 eggs left", "18"),
    ("#### 18", "18"),
    ("#### $1,800.50", "1800.5"),
    ("#### -3", "-3"),
    ("####18", "18"),
    ("#### 18 \n\nQ: foo\n#### 20", "18"),
    ("Answer: 18", "18"),
    ("**Answer:** 18", "18"),
    ("**Answer: 18**", "18"),
    ("Answer:\n18", "18"),
    ("ANSWER: 18", "18"),
    ("Final Answer: 18 apples", "18"),
    ("A: 18", "18"),
    ("The answer is: 18", "18"),
    ("The answer is\n\n18", "18"),
    ("The correct answer is 18, not 20.", "18"),
    ("The answer is 18. Wait, I made a mistake. The answer is 20.", "20"),
    ('{"reasoning": "a", "answer": 18}', "18"),
    ('{"answer": "18"}', "18"),
    ('```json\n{"answer": 18}\n```', "18"),
    ("{'answer': '18'}", "18"),
    ("18", "18"),
    ("$18", "18"),
    ("**18**", "18"),
    ("18 apples", "18"),
    ("\\boxed{18}", "18"),
    ("\\boxed{18 \\text{ dollars}}", "18"),
    ("\\boxed{-\\frac{3}{4}}", "-0.75"),
    ("\\boxed{x=5}", "5"),
    ("The answer is 1.2e3.", "1200"),
    ("The answer is 3 \\times 10^{2}.", "300"),
    ("The answer is 007.", "7"),
    ("The answer is +5.", "5"),
    ("The answer is (5).", "5"),
    ("The answer is '5'.", "5"),
    ('The answer is "5".', "5"),
    ("The answer is 5!", "5"),
    ("The answer is 5 (five).", "5"),
    ("The answer is five (5).", "5"),
    ("The answer is 18\nQuestion: what? The answer is 20.", "18"),
    ("The answer is 18.<|im_end|>\nThe answer is 3", "18"),
    ("The answer is that she has 5 apples.", "5"),
    ("The answer to the question is 5.", "5"),
    ("Therefore, the answer (arabic numerals) is 5.", "5"),
    ("5 is the answer.", "5"),
    ("So the final result is 42.", "42"),
    ("Thus, Tom has 5 apples.", "5"),
    ("In total, they have 5 + 6 = 11 apples.", "11"),
    ("The answer is 2 hours and 30 minutes.", "2.5"),
    ("The answer is 5 hours 15 minutes", "5.25"),
    ("The answer is 1,00,000.", "100000"),
    ("The answer is €1 500.", "1500"),
    ("The answer is 18.5.", "18.5"),
    ("The answer is .5", "0.5"),
    ("The answer is 5 .", "5"),
    ("The answer is - 5 .", "-5"),
    ("The answer is 9 . ", "9"),
    ("The answer is 18 since 3 + 4 = 7.", "18"),
    ("The answer is 9 * 2 = 18 dollars every day.", "18"),
    ("The answer is $9 \\times 2 = 18$.", "18"),
    ("So the total cost is $18.\n\nI hope this helps!", "18"),
    ("3+4=7\n16-7=9\n9*2=18", "18"),
    ("The answer is 18 because each of the 9 eggs costs 2.", "18"),
    ("<answer>18</answer>", "18"),
    ("The answer is <b>18</b>", "18"),
    ("Hence the required number is 18.", "18"),
    ("The answer is 18th.", "18"),
    ("The answer is one third.", "1/3"),
    ("The answer is zero.", "0"),
    ("The answer is 0.", "0"),
    ("The answer is -0.", "0"),
    ("The answer is 2 dozen.", "2"),
    ("The answer is 20 degrees.", "20"),
    ("The answer is 20°C", "20"),
    ("The answer is 5 km/h.", "5"),
    ("The answer is 5 m^2", "5"),
    ("The answer is $5/hour.", "5"),
    ("The answer is 5%", "5"),
    ("The answer is 50¢.", "50"),
    ("The answer is 1000.\n\nNote that 3+4 = 7.", "1000"),
    ("The answer is 18.\n\nLet's verify: 18 / 2 = 9.", "18"),
    ("I got 18. Is the answer 18? The answer is 20?", "20"),
    ("The answer is $104 $.", "104"),
    ("The answer is 35 years old.", "35"),
    ("The answer is 3.14159265358979.", "3.14159265358979"),
    ("She makes $18 a day. #### 18.", "18"),
    ("#### 18 = 18", "18"),
    ("#### The answer is 18", "18"),
    ("### Final Answer\n\n18", "18"),
    ("**Final Answer**\n\n$18", "18"),
    ("## Answer\n18 eggs", "18"),
    ("Final answer: $18 per day", "18"),
    ("Ans. 18", "18"),
    ("Ans: 18", "18"),
    ("The answer is 18 or so.", "18"),
    ("The answer is at least 18.", "18"),
]

NOT_STATED = [
    "The answer is between 4 and 5.",
    "The answer is 4-5.",
    "The answer is 4 to 5.",
    "The answer is 4 or 5.",
    "The answer is 18–20.",
    "The answer is 3, 4.",
    "The answer is a dozen.",
    "The answer is 5 apples and 3 oranges.",
    "The answer is 5 + 3.",
    "She has 16 eggs. She eats 3 and bakes 4.",
    "I think 5 apples, 6 oranges",
    "Let me think. 5 * 3 = 15, then",
    "The answer isn't 18.",
    "The answer is not 18.",
    '{"answer": null}',
    '{"answer": ""}',
    '{"answer": [1,2]}',
    "\\boxed{}",
    "The answer is 10^3.",
    "We cannot determine the answer.",
    "The answer is unknown.",
    "The answer is None.",
    "The answer is 6 feet 2 inches.",
    "The total cost is $18.\n\nI hope this helps!",
    "Step 1: 3+4=7\nStep 2: 16-7=9\nStep 3: 9*2=18",
    "The answer is 5x.",
    "The answer is 2:1.",
    "The answer is 5/0.",
    "The answer is twenty or thirty.",
    "The answer is no.",
    "The answer is 5 minus 3.",
    "答案是18",
    "The answer is more than 18.",
    "The answer is less than 18.",
]

CRITICAL_THINKING = [
    ("It cannot be determined.", "None"),
    ("The answer is None.", "None"),
    ("The answer is 5.", "5"),
    ("There is not enough information. The answer is not determinable.", "None"),
    ('{"answer":"N/A"}', "None"),
    ("#### None", "None"),
    ("The problem does not give the price. Therefore, we cannot find the total cost.", "None"),
    ("She has some eggs", None),
    ("#### cannot be determined", "None"),
    ("\\boxed{\\text{Cannot be determined}}", "None"),
    ("The question doesn't specify how many; however, assuming 5, the answer is 10.", "10"),
    ("The answer is unknown because the price isn't given.", "None"),
    ("Insufficient information.", "None"),
    ("The answer is undefined", "None"),
    ("Answer: Not enough information", "None"),
    ("The answer is 18. However, the price is not mentioned so we cannot determine it.", "None"),
    ("The answer is impossible to determine.", "None"),
    ("It's not possible to determine how many.", "None"),
    ("The information needed is missing.", "None"),
    ("Therefore, the answer is: cannot be determined from the given information.", "None"),
]


@pytest.mark.parametrize(("response", "value"), STATED)
def test_a_stated_number_is_read(response, value):
    answer = task_of("numeric").read(response)
    assert (answer.value, answer.status) == (value, "ok")
    assert 0 <= answer.span[0] <= answer.span[1] <= len(response)


@pytest.mark.parametrize("response", NOT_STATED)
def test_what_is_not_one_number_is_not_read(response):
    assert task_of("numeric").read(response).value is None


@pytest.mark.parametrize(("response", "value"), CRITICAL_THINKING)
def test_that_there_is_no_answer_is_an_answer_of_gsm_plus(response, value):
    assert task_of("gsm_plus").read(response).value == value


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ("She has 16 eggs and eats 3.", "none"),
        ("The answer is 4 to 5.", "ambiguous"),
        ("The answer is 5 apples and 3 oranges.", "ambiguous"),
        ("The answer cannot be determined. The answer is unknown.", "none"),
        ("", "none"),
    ],
)
def test_the_status_says_why_there_is_no_value(response, status):
    assert task_of("numeric").read(response).status == status


@pytest.mark.parametrize(
    ("response", "value", "status"),
    [
        ("The answer is 18. Then she", "18", "ok"),
        ("The answer is 18.", "18", "ok"),
        ("She has 5 + 13 =", None, "truncated"),
        ("So she has 18 eggs.", None, "truncated"),
        ("The answer is 1", None, "truncated"),
        ("#### 18", None, "truncated"),
        ("#### 18\n", "18", "ok"),
        ("So she has 18 eggs.\n\nQ: How many", "18", "ok"),
    ],
)
def test_a_response_that_was_cut_off(response, value, status):
    assert task_of("numeric").read(response, finish_reason="length")[:2] == (value, status)


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("The answer is 12.\n\n3 * 9 = 27\n8 * 14 = 112\nDifference: 112 - 27 = 85", "85"),
        ("9 * 2 = 18. Janet makes $18 every day in the 2 weeks.", "18"),
        ("#### 36 dollars.\n\nSo, Melissa makes $2 per hour.", "2"),
        ("The answer is 18.\n\nCheck: 18 / 2 = 9", "18"),
        ("The answer is 18.\n\nLet me know if 20 more examples would help!", "18"),
        ("The answer is 18. However, this cannot be determined from the question.", None),
    ],
)
def test_the_last_statement_wins(response, value):
    assert task_of("numeric").read(response).value == value


@pytest.mark.parametrize(
    "response",
    [
        "First, we know that there are 17 green jellybeans.",
        "First, we know that A has 8 more. So, if A has 52, then B must have 52 - 8 = 44 apples.",
        "The total is 5 * 4 = 20, so each gets 20 / 4 =",
        "She earns 15*450 = $<<15*450=6750>>6750\nSo he earned 6750 + 750 = $<<6750+750=7500>>7",
        "Each costs $25,00",
        "7 + 5 = 12. She gives 3 of the 12 pens to Ben.",
        "Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 .",
        "She has 16 - 3 = 13 eggs. She then uses 13 - 4 = 9 eggs.",
        "10 + 10 = 20. " * 40,
        "The price is 15 / 9 = <<15/9=1.666666666666666666666666666666666666666666666666666666666",
    ],
)
def test_steps_on_the_way_are_no_answers(response):
    assert task_of("numeric").read(response).value is None
