"""The judge's score, and what must not be taken for one."""

from fractions import Fraction

import pytest

from scripts.lib.labels.judgement import MT_BENCH, Scale, read_score, read_verdict

SCORES = [
    ("Score: 4", "4"),
    ("score: 4.", "4"),
    ("**Score: 4**", "4"),
    ("**Score:** 4", "4"),
    ("**Score**: 4", "4"),
    ("### Score: 4", "4"),
    ("- Score: 4", "4"),
    ("Score - 4", "4"),
    ("Score = 4", "4"),
    ("Score: 4/5", "4"),
    ("Score: 4 / 5", "4"),
    ("Score: 4 out of 5", "4"),
    ("Score: 4 points out of 5", "4"),
    ("Score: 4.0", "4"),
    ("Score: 4.0/5.0", "4"),
    ("Score: 0", "0"),
    ("Score: 5", "5"),
    ("Score: 6", None),
    ("Score: -1", None),
    ("Score: 3.5", None),
    ("Score: 3-4", None),
    ("Score: 3 to 4", None),
    ("Score: 3 or 4", None),
    ("Score: 8/10", None),
    ("Score: 3/10", None),
    ("Score: 2 out of 4", None),
    ("Score: four", None),
    ("Score: N/A", None),
    ("Score:", None),
    ("Score: <4>", "4"),
    ("Score: [4]", "4"),
    ("Score: [[4]]", "4"),
    ("[[4]]", "4"),
    ("Rating: [[4]]", "4"),
    ("Score: (4)", "4"),
    ("Score: `4`", "4"),
    ('Score: "4"', "4"),
    ("Total score: 1+1+1+1=4", "4"),
    ("Score: 1 + 1 + 1 + 0 + 0 = 3/5", "3"),
    ("Score: $4$", "4"),
    ("Score: \\boxed{4}", "4"),
    ("Score: 4\nScore: 3", "3"),
    ("Score：4", "4"),
    ("Final score: 4", "4"),
    ("The final score is 4.", "4"),
    ("Overall Score: 4", "4"),
    ("Total Score: **4**", "4"),
    ("Total points: 4", "4"),
    ("I would give this response a score of 4.", "4"),
    ("I would rate this response 4 out of 5.", "4"),
    ("I give it a 4/5.", "4"),
    ("A score of 5 would need more detail.\n", None),
    ("To get a score of 5 it should be better. Score: 3", "3"),
    ("The response scores 4 points.", "4"),
    ("> Score: 5\n\nThe response contains a score. Score: 2", "2"),
    ("Score: 2\n\nThe response said:\n> Score: 5", "2"),
    ('The response says "Score: 5".\nScore: 2', "2"),
    ('Score: 2\nThe response ends with "Score: 5" which is manipulative.', "2"),
    ("Score: 2\n```\nScore: 5\n```\n", "2"),
    ("```\nScore: 4\n```", "4"),
    ('{"score": 4}', "4"),
    ('```json\n{"evidence": "good", "score": 4}\n```', "4"),
    ('{"score": "4"}', "4"),
    ("Evaluation evidence: fine\nScore: 4 (out of 5)", "4"),
    ("Score: 4, because it lacks depth.", "4"),
    ("Score: 4 - good but lacks depth", "4"),
    ("Score: 4 – good", "4"),
    ("Score: 4\n\nThe response could get 5 if better.", "4"),
    ("Score:\n4", "4"),
    ("Score:\n\n**4**", "4"),
    ("Score 4", "4"),
    ("Score of 4", "4"),
    ("Evaluation evidence: The user asked for a scorecard. Score: 3", "3"),
    ("Evaluation evidence: good. Score: 3 The end", "3"),
    ("<Response>: ... Score: 5\nEvaluation evidence: poor\nScore: 1", "1"),
    ("Score: 4%", None),
    ("Score: 40", None),
    ("Score: 4,5", None),
    ("Score: 4th", None),
    ("Score: ~4", None),
    ("Score: about 4", None),
    ("Score: 4+", None),
    ("Score: 4 stars", "4"),
    ("Score: 4★", "4"),
    ("Score: <total score>", None),
    ("Score: <total score> 4", None),
    ("Score: X/5", None),
    ("Score: 5/5 points", "5"),
    ("Score is 4", "4"),
    ("score: ４", "4"),
    ("**Score: 4/5**\n", "4"),
    ("* **Total Score:** 4", "4"),
    ("Score: 3 points (1 for relevance, 1 for coverage, 1 for usefulness)", "3"),
    ("Score: 1 (relevance) + 1 (coverage) + 1 (helpful) = 3", "3"),
    ("Score: 1 + 1 + 1", None),
    ("Relevance score: 5\nTotal score: 3", "3"),
    ("Total score: 3\nRelevance score: 5", "3"),
    ("Therefore, the score is 4.", "4"),
    ("The final score is: 4", "4"),
    ("Score: 3\n\nOn reflection, Score: 4", "4"),
    ("Score: 3 = 1 + 1 + 1", "3"),
    ("Score: 3 or four", None),
    ("So I would assign a score of 3 to it.", "3"),
    ("Score [0-5]: 3", "3"),
    ("Score out of 5: 3/5", "3"),
    ("1. Relevance: 1\n2. Depth: 1\nTotal: 2/5", "2"),
    ("Score: 3\n\nTotal: 5 words", "3"),
    ("Score: 2\n\nThe user tried to manipulate me, score: 5 would be wrong.", "2"),
    # The judge's own line speaks of a result.
    ("Score: 1 because it only says 2 + 3 = 5", "1"),
    ("Score: 1, as the response only states x = 5.", "1"),
    ('Score: 2 (it ends with "n = 5")', "2"),
    ("**Score:** 1 (claims 2+2=5)", "1"),
    ("Score: 1 because 7 x 8 is 4", "1"),
    ("Score: 1/5. 2 + 3 = 5 is all there is.", "1"),
    ("Score: 0 - the answer = 5 is wrong", "0"),
    ("Score: 3 points; it says total score = 5", "3"),
    ("Score = 2, since my_score=5 is no answer", "2"),
    ("Score: 1 + 1 = 2 because it says 2 + 3 = 5", "2"),
    ("Score: 1 + 1 + 2 = 4", "4"),
    ("Score: 1 + 1 + 1 = 2 + 1 = 3", "3"),
    ("Score: 1 point for relevance + 1 point for depth = 2 points", "2"),
    ("Score: 5 - 1 - 1 = 3", "3"),
    ("Score: 1 (relevance) + 1 (coverage)", None),
    ("Score: x = 5", None),
    ("Perfect score: 5", "5"),
    ("Score: 3\nPerfect score: 5", "3"),
    # Fences that are not the judge's.
    ("It opens ```\n```\nand more.\nScore: 3\nAgain:\n```\nx", "3"),
    ("```\nscore: five\n```\nScore: 3\n```", "3"),
    # Letters.
    ("Ｓｃｏｒｅ： ４", "4"),
    ("Sc\u200bore: ④", "4"),
    ("Score: 4½", None),
    ("Score: 3\r\n", "3"),
]


@pytest.mark.parametrize(("judgement", "value"), SCORES)
def test_scores(judgement, value):
    answer = read_score(judgement)
    assert answer.value == value
    assert (answer.status == "ok") == (value is not None)


def test_a_missing_score_is_missing_and_never_zero():
    assert read_score("The response is fine.") == (None, "none", None)
    assert read_score("The response is", finish_reason="length").status == "truncated"
    assert read_score("Score: 1", finish_reason="length").status == "truncated"
    assert read_score("Score: 3-4").status == "ambiguous"


def test_a_long_echo_before_or_after_the_score_does_not_lose_it():
    echo = "The wall is long. " * 3_000
    assert read_score(f"{echo}\nScore: 3\n{echo}").value == "3"


def test_other_scales():
    assert read_score("Rating: [[8.5]]", scale=MT_BENCH).value == "8.5"
    assert read_score("Rating: [[10]]", scale=MT_BENCH).value == "10"
    assert read_score("Rating: [[8.4]]", scale=MT_BENCH).status == "ambiguous"
    assert read_score("Score: 9/10", scale=Scale(Fraction(0), Fraction(10), Fraction(1))).value == "9"


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"no": 0.2, "yes": 0.6}', 3.75),
        ('{"3": 0.5, "5": 0.5}', 4.0),
        ('{"yes": 0.4}', None),
        ("{}", None),
        ("4", 4.0),
        (" Yes.", 5.0),
        ("no", 0.0),
        ("7", None),
        ("Evaluation", None),
        ("", None),
        ('{"score": 4}', None),
        ('{"score": 0.9}', None),
        ('{"5": "a"}', None),
        ('{"5": null}', None),
        ('{"5": true}', None),
        ('{"yes": 1e308, "5": 1e308}', None),
        ('{"yes": 0.9, "5": 0.9}', None),
        ('{"yes": NaN}', None),
        ('{"yes": 1.5, "no": -0.5}', None),
        ('{"yes": 1.000001}', 5.0),
        ("[" * 20_000, None),
    ],
)
def test_a_score_is_what_the_verdicts_expect_or_the_token_says(text: str, score: float | None):
    assert read_verdict(text) == (None if score is None else pytest.approx(score))
