"""No rule is quadratic: what reads or shows a response takes time in proportion to its length."""

import time
from functools import partial

import pytest

from scripts.lib.labels.judgement import read_score
from scripts.lib.labels.judging import neutralise
from scripts.lib.tasks import TASKS
from tests.support.mmlu_pro_official import official_chain

PIECES = [
    "1", "1.", "1,", "1/", "1-", "1e", "1 ", "1=1=", "{", "\\boxed{", "\\frac{1}", "\\overline{3}", "0.(",
    "\\text{", "$", "$x ", "\\", "\\[", "=", "<<", "<<1 ", "#", "#### ", "*", "_", "`", "```\n", '"', "'",
    "(", "[[", "[ ", "< ", "<|", "<\n", ">", "\n> ", ".", ". A", "-", "−", " ", "\n", "\t", "\xa0",
    "\u3000", "\u200d", "｜", "é", "½", "answer is ", "The answer is 5. ", "The answer is not ",
    "answer to ", "answer (", "answer:", "Answer:\n", "\nA:", "\nQ:", '"answer": "', "the final ", "the\n",
    "if the ", "Therefore ", "So, ", "First ", "cannot ", "can not be ", "one ", "twenty-", "(A) ", "A, ",
    "I ", "is A. ", "option A ", "A is wrong ", "A? No. ", "is A and ", "Score: ", "score ", "score is ",
    "Score: 4-", "Score: 1 + ", "1 (a) + ", "I give ", "I give 5 ", "it says ", "Let me know.\n",
    "5 is the answer ", "a", "a.b.", "1 000 ", "5 and ", "5 a, ", "5 million ", "a_b = 1\n", '"a": "',
    "Since a, ", "we do not ", "is (A) ", "so the total ", "<\n/",
]  # fmt: skip
OPENINGS = ["", "The answer is ", '"answer": "', "Score: ", "<"]
OPTIONS = ["foo " * 5, "bar", "5"]
READERS = {
    "score": read_score,
    "neutralise": neutralise,
    **{name: partial(task.read, options=OPTIONS) for name, task in TASKS.items()},
}


def quick(read, text, limit):
    """Whether that takes so many seconds of the processor in one of three tries: others have something else
    to do in between, such as the collection of a large session's garbage."""
    for _ in range(3):
        began = time.process_time()
        read(text)
        if time.process_time() - began < limit:
            return True
    return False


@pytest.mark.parametrize("name", READERS)
def test_nothing_takes_longer_than_its_length(name):
    """A cubic rule took 73 s for 800 characters, a quadratic one 10 s for 8,000."""
    READERS[name]("\\boxed{x}")  # imports what it needs
    for piece in PIECES:
        for opening in OPENINGS:
            text = opening + piece * (4_000 // len(piece))
            assert quick(READERS[name], text, 0.2), (opening, piece)


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_a_hundred_thousand_characters_take_seconds(piece):
    """Half a second and less on a quick machine; 25 times the length is 625 times as long where a rule is
    quadratic."""
    text = piece * (100_000 // len(piece))
    for opening in OPENINGS:
        for name, read in READERS.items():
            assert quick(read, opening + text, 5), (opening, name)
    assert quick(official_chain, text, 5)
