"""A megabyte of the worst text costs milliseconds: no rule is quadratic."""

import time
from functools import partial

import pytest

from scripts.lib.labels.judgement import read_score
from scripts.lib.tasks import TASKS
from tests.support.mmlu_pro_official import official_chain

pytestmark = pytest.mark.slow

SIZE = 1_000_000
PIECES = [
    "1", "1.", "1,", "1/", "1-", "1e", "1 ", "1=1=", "{", "\\boxed{", "\\frac{1}", "\\text{", "$", "$x ",
        "\\", "\\[", "=", "<<",
    "<<1 ", "#", "#### ", "*", "_", "`", "```\n", '"', "'", "(", "[[", ">", ".", ". A", "-", "−", " ", "\n",
        "\t", "\u00a0",
    "answer is ", "The answer is 5. ", "The answer is not ", "answer to ", "answer (", "answer:", "Answer:\n",
        "\nA:", "\nQ:",
    '"answer": "', "the final ", "if the ", "Therefore ", "So, ", "First ", "cannot ", "can not be ", "one ",
    "twenty-",
    "(A) ", "A, ", "I ", "is A. ", "option A ", "Score: ", "score ", "score is ", "Score: 4-", "I give ",
    "it says ", "Let me know.\n",
    "5 is the answer ", "a", "a.b.", "1 000 ", "5 and ", "5 a, ", "a_b = 1\n", '"a": "', "Since a, ",
    "we do not ", "is (A) ",
]  # fmt: skip

OPTIONS = ["foo " * 5, "bar", "5"]


@pytest.mark.parametrize("piece", PIECES)
def test_repetition(piece):
    text = piece * (SIZE // len(piece))
    for response in (text, "The answer is " + text, '"answer": "' + text + "."):
        for read in (read_score, *(partial(task.read, options=OPTIONS) for task in TASKS.values())):
            started = time.process_time()
            read(response)
            assert time.process_time() - started < 0.6
    started = time.process_time()
    official_chain(text)
    assert time.process_time() - started < 1.5
