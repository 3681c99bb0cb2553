"""Option letters out of responses, and letters that are none."""

import pytest

from scripts.lib.tasks import task_of
from tests.support.mmlu_pro_official import (
    official_chain,
    official_chain_random,
    official_l1,
    official_l1_random,
    official_l2,
)

OPTIONS = [
    "red apple",
    "blue sky",
    "green tree",
    "50%",
    "None of the above",
    "1/2",
    "$5,000",
    "Statement I only",
    "The man slaps",
    "42",
]

RESPONSES = [
    ("The answer is I, II and III.", None),
    ("The answer is (I) and (II).", None),
    ("The answer is I.", "I"),
    ("The answer is (X).", None),
    ("The answer is (C).", "C"),
    ("The answer is C", "C"),
    ("the answer is C.", "C"),
    ("The answer is **C**.", "C"),
    ("The answer is **(C)**", "C"),
    ("The answer is \\boxed{C}", "C"),
    ("$\\boxed{\\text{C}}$", "C"),
    ("Answer: C", "C"),
    ("**Answer:** C", "C"),
    ("Answer: **C**", "C"),
    ("Answer: (C) green tree", "C"),
    ("Answer: C. green tree", "C"),
    ("The correct answer is C: green tree", "C"),
    ("The correct option is C", "C"),
    ("The best choice is (C)", "C"),
    ("The answer is option C", "C"),
    ("The correct answer is choice (C).", "C"),
    ("C", "C"),
    ("(C)", "C"),
    ("C.", "C"),
    ("**C**", "C"),
    ("C. green tree", "C"),
    ("C) green tree", "C"),
    ("C. green tree\n\nBecause trees are green.", "C"),
    ("A. red apple\nB. blue sky\nC. green tree", None),
    ('{"answer": "C"}', "C"),
    ('{"reasoning":"x","answer":"C"}', "C"),
    ('"answer": "C) green tree"', "C"),
    ("The answer is green tree.", "C"),
    ("The answer is 50%.", "D"),
    ("The answer is $5,000.", "G"),
    ("The answer is 42.", "J"),
    ("The answer is 43.", None),
    ("Option C is correct.", "C"),
    ("(C) is the correct answer.", "C"),
    ("C is the correct answer.", "C"),
    ("Therefore, C.", "C"),
    ("Therefore, (C) is correct.", "C"),
    ("If the answer is A then contradiction. So the answer is (D).", "D"),
    ("The answer is A or B.", None),
    ("The answer is (A) and (B).", None),
    ("The answer is A, B.", None),
    ("The answer is both A and C.", None),
    ("The answer is K.", None),
    ("The answer is not A.", None),
    ("The answer is A man who slaps.", None),
    ("The answer is January.", None),
    ("The answer is I.", "I"),
    ("I think it is blue", None),
    ("I cannot answer", None),
    ("The answer is a.", None),
    ("the answer is (b)", None),
    ("The answer is (C)\nQuestion: x\nThe answer is (D)", "C"),
    ("The answer is C because it is green.", "C"),
    ("The answer is A because red", "A"),
    ("The answer is (C), since (A) and (B) are false.", "C"),
    ("The answer is (A). However, on reflection the answer is (B).", "B"),
    ("Answer: None of the above", "E"),
    ("None of the options is right.", None),
    ("The answer is E. None of the above", "E"),
    ("Final Answer: The final answer is $\\boxed{C}$", "C"),
    ("The final answer is (C)", "C"),
    ("The answer: C", "C"),
    ("My answer is C", "C"),
    ("The answer would be C.", "C"),
    ("The answer should be (C).", "C"),
    ("the answer is:\n\nC", "C"),
    ("the answer is:\n\n(C) green tree", "C"),
    ("The answer is “C”.", "C"),
    ("The answer is 'C'.", "C"),
    ("The answer is C, green tree.", "C"),
    ("The answer is C - green tree.", "C"),
    ("The answer is C (green tree).", "C"),
    ("The answer is Carbon.", None),
    ("The answer is C3.", None),
    ("The answer is A's share.", None),
    ("The answer is B+.", None),
    ("The correct answers are A and C.", None),
    ("Correct answer: C", "C"),
    ("The correct statement is C.", "C"),
    ("I would choose option C.", "C"),
    ("Thus option (C) is the right one", "C"),
    ("The closest option is (C).", "C"),
    ("Hence, the correct option is **C) green tree**.", "C"),
    ("Choice: C", "C"),
    ("Option: C", "C"),
    ("Selected: C", None),
    ("<answer>C</answer>", "C"),
    ("<answer>(C)</answer>", "C"),
    ("The answer is\n\\[\n\\boxed{C}\n\\]", "C"),
    ("Statement I only", "H"),
    ("The answer is Statement I only.", "H"),
    ("The answer is **E**: None of the above.", "E"),
    ("### Answer\n\n**C. green tree**", "C"),
    ("So the answer is not C but D.", "D"),
    ("I choose (C).", "C"),
    ("The answer is not among the choices, but the closest is (C).", "C"),
    ("Therefore, the most likely reaction is (C).", "C"),
    ("The only option that satisfies this is (C).", "C"),
    ("The best plan would be to (C) green tree.", "C"),
    ("The answer is $x = 70 \\mathrm{~cm}$, or (C).", "C"),
    ("So the price is $12.50, which is (C).", "C"),
    ("The set is closed, so it is (A) or (B).", None),
    ("The reaction at low temperature is (A) and at high temperature (B).", None),
    ("The most likely reaction is not (C).", None),
    ("This rules out (C).", None),
    ("The probability of a false statement is 1/2. The probability of", None),
    ("The answer is <C>.", "C"),
    ("The answer is\n```\nC\n```", "C"),
    ("Ans: C", "C"),
    ("Selected option: C", "C"),
    ("The solution is (C).", "C"),
    ("(C) is the answer", "C"),
    ("the correct answer is C – green tree", "C"),
    ("The answer is (A) True, (B) False.", None),
    ("The answer is (A) for the first part and (B) for the second.", None),
    ("The answer is (C) not (D) because it is green.", "C"),
    ("Red apple\nBlue sky\nGreen tree", None),
]


@pytest.mark.parametrize(("response", "letter"), RESPONSES)
def test_letters(response, letter):
    assert task_of("choice").read(response, OPTIONS).value == letter


def test_letters_beyond_the_options_are_ambiguous():
    assert task_of("choice").read("The answer is (I).", ["a"] * 8)[:2] == (None, "ambiguous")
    assert task_of("choice").read("The answer is (H).", ["a"] * 8).value == "H"
    assert task_of("choice").read("The answer is (J).").value == "J"


def test_options_that_are_mere_letters_have_no_texts():
    for options in (list("ABCDEFGHIJ"), list("ABCD"), [""] * 10, ()):
        assert task_of("choice").read("The answer is (d).", options).value is None
        assert task_of("choice").read("The answer is (D).", options).value == "D"


def test_a_response_that_was_cut_off():
    assert task_of("choice").read("We refer to", finish_reason="length").status == "truncated"
    assert task_of("choice").read("The answer is (C). And", finish_reason="length").value == "C"


def test_the_official_chain_keeps_its_faults_under_its_own_name():
    assert official_l1("the answer is January 22nd. The answer is (H).") == "J"
    assert official_l1("Answer: B") is None and official_l2("Answer: B, no Answer: C\nAnswer: D") == "C"
    assert official_chain("I cannot say") == "I" and official_chain("unknown") is None
    assert official_chain_random(["unknown"] * 3, [4, 4, 4], seed=1) == official_chain_random(
        ["unknown"] * 3, [4] * 3, 1
    )
    assert set(official_chain_random(["unknown"] * 200, [3] * 200)) == {"A", "B", "C"}
    assert official_l1_random(["answer is (D"], seed=1) == ["D"]


LOOK_ALIKES = [
    "The answer is B\u200b.",
    "The ans\u200bwer is (B).",
    "The answer is（B）。",
    "【B】",
    "Ｂ",
    "Answer：Ｂ",
]
LOOK_ALIKES += ["The answer is \U0001d401.", "The answer is \u24b7", "答案：（B）", "The answer is 「B」"]


@pytest.mark.parametrize("response", LOOK_ALIKES)
@pytest.mark.parametrize("options", [(), ("red", "green", "blue"), ("r", "g", "b")])
def test_a_letter_in_other_dress_is_that_letter(response, options):
    answer = task_of("choice").read("Hm.\u200b\n" + response, options)
    assert (answer.value, answer.status) == ("B", "ok")
    assert 0 <= answer.span[0] < answer.span[1] <= 5 + len(response)


def test_a_letter_that_is_an_options_text_and_anothers_name_is_neither():
    assert task_of("choice").read("The answer is b.", ("r", "g", "b")).value is None
    assert task_of("choice").read("The answer is f.", ("t", "f")).value == "B"


SEVERAL = ["A, B", "A and B", "A or B", "A; B", "A, C, and D", "(A), (B)", "(A)(B)", "A & B"]


@pytest.mark.parametrize("letters", SEVERAL)
@pytest.mark.parametrize(
    "way",
    [
        "The answer is {}.",
        "\\boxed{{{}}}",
        "$\\boxed{{\\text{{{}}}}}$",
        '{{"answer": "{}"}}',
        "<answer>{}</answer>",
    ]
    + ["The answer is [{}].", "Answer: `{}`", "The answer is “{}”.", "The answer is '{}'.", "**Answer: {}**"],
)
def test_several_letters_are_no_answer_whatever_they_stand_in(letters, way):
    assert task_of("choice").read(way.format(letters), OPTIONS).value is None


@pytest.mark.parametrize(
    "response",
    [r"\boxed{\text{A}, \text{B}}", r"\boxed{A \text{ and } B}", r"\boxed{A B}", '{"answer": ["A", "B"]}']
    + ["The answer is $A$, $B$.", "Answer: **A**, **B**", "Answer: (A) (B)"],
)
def test_several_letters_in_markup_of_their_own_are_none_either(response):
    assert task_of("choice").read(response, OPTIONS).status == "ambiguous"


@pytest.mark.parametrize(
    "response", ['{"answer": "C", "A": "red"}', "The answer is (C) (not D).", "The answer is C, a B's twin."]
)
def test_another_letter_behind_the_answer_does_not_hide_it(response):
    assert task_of("choice").read(response, OPTIONS).value == "C"


REJECTED = [
    ("Answer: A is wrong and B is wrong, so it must be C.", "C"),
    ("Answer: C drops out, which leaves D", "D"),
    ("d", "D"),
    ("(b).", "B"),
    ("The answer is A. No, wait, it is B.", "B"),
    ("The answer is (A)? No. The answer is (C).", "C"),
    ("Answer: A and B are wrong, so C.", "C"),
    ("Answer: A isn't right; it's D.", "D"),
    ("The answer is B, no, C.", "C"),
    ("Answer: A can't be right, B can't be right, C fits.", "C"),
    ("Answer: A is ruled out.", None),
    ("Answer: A, B and C are incorrect, hence D.", "D"),
    ("The answer is A because B is wrong.", "A"),
    ("Answer: C. A is wrong, B is wrong.", "C"),
    ("Answer: C is not wrong? It is right.", None),
    ("The answer is D, not B.", "D"),
    ("Answer: B? Yes.", "B"),
    ("Answer: A? No, a lever has no wheel. B? Yes, a pulley has one.", "B"),
    ("The correct answer is A or B.", None),
    ("Answer: (A) is false. (B) is false. (C) is true. (D) is false.", "C"),
    ("Answer: A looks wrong, B looks wrong, D is the answer.", "D"),
    ("Answer: A. Wait, the question asks for a wedge: C.", "C"),
    ("The answer is A. It is not B.", "A"),
    ("The answer is C: a wedge is two planes, so A is out.", "C"),
    ("Answer: I don't know", None),
    ("The answer is B. a pulley", "B"),
    ("**Answer**: **B** is correct", "B"),
    ("The answer is A: no other option fits.", "A"),
    ("Answer: A\n\nB is wrong because it has a wheel.", "A"),
    ("正确答案是 C。", "C"),
    ("**Antwort: B**", "B"),
]


@pytest.mark.parametrize(("response", "letter"), REJECTED)
def test_an_option_that_is_rejected_is_not_the_answer(response, letter):
    assert task_of("choice").read(response, ["a lever", "a pulley", "a wedge", "a screw"]).value == letter


FORMULAS = [
    ("The answer is (D). So \\boxed{E = mc^2}.", "D"),
    ("The answer is (B).\n\n\\boxed{F = ma}", "B"),
    ("Answer: C\n\n$$\\boxed{A = \\pi r^2}$$", "C"),
    ("\\boxed{E = mc^2}", None),
    ("The answer is $E = mc^2$.", None),
    ("\\boxed{C}", "C"),
    ("\\boxed{C = 4.90 MeV}", "C"),
    ("\\boxed{E(x) = 5}", None),
    ("\\boxed{\\text{D}: 4.50}", "D"),
    ("The answer is (A). \\boxed{C_v = 3R/2}", "A"),
    ("The answer is (A). \\boxed{F \\propto r}", "A"),
    ("The answer is B = 6.50 MeV", "B"),
    ("\\boxed{D) 4.50 MeV}", "D"),
    ("$\\boxed{(B)}$", "B"),
    ("\\boxed{B} \\quad", "B"),
    ("The answer is (C), with \\boxed{D/2}.", "C"),
    ("\\boxed{\\mathbf{B}}", "B"),
]


@pytest.mark.parametrize(("response", "letter"), FORMULAS)
def test_the_letter_of_a_formula_is_no_option(response, letter):
    options = ["5.80 MeV", "6.50 MeV", "4.90 MeV", "4.50 MeV", "6.10 MeV", "5.30 MeV"]
    assert task_of("choice").read(response, options).value == letter
