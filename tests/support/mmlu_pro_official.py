"""MMLU-Pro's official extraction, for reproducing published numbers. Never used for votes, labels or rewards.

Its last resorts are a letter that stands alone anywhere (right in 8 to 20 % of cases, chance being about 10)
and a random letter; a number made with them carries the name of the function. TIGER-AI-Lab/MMLU-Pro
evaluate_from_local.py and compute_accuracy.py, with regular expressions of the same meaning that are linear
in the length of the text.
"""

import random
import re
from collections.abc import Sequence

LETTERS = "ABCDEFGHIJ"
_ANSWER_IS = re.compile(r"answer is \(?([A-J])\)?")
_ANSWER_COLON = re.compile(r"[aA]nswer:\s*([A-J])")
_ALONE = re.compile(r"[A-J](?<!\w[A-J])(?!\w)")
r"""`\b[A-J]\b`, five times as fast: it begins with what to look for."""


def official_l1(text: str) -> str | None:
    """The first "answer is X" (their level 1, and lm-evaluation-harness's `mmlu_pro` filter)."""
    match = _ANSWER_IS.search(text)
    return match[1] if match else None


def official_l2(text: str) -> str | None:
    """Level 1, else the last "Answer: X" of the first line that has one."""
    if found := official_l1(text):
        return found
    first = None
    for match in _ANSWER_COLON.finditer(text):
        if first is not None and "\n" in text[first.end() : match.start()]:
            break
        first = match
    return first[1] if first else None


def official_chain(text: str) -> str | None:
    """Levels 1 and 2, else the last letter from A to J that stands alone anywhere."""
    if found := official_l2(text):
        return found
    alone = _ALONE.findall(text)
    return alone[-1] if alone else None


def official_chain_random(texts: Sequence[str], option_counts: Sequence[int], seed: int = 12345) -> list[str]:
    """evaluate_from_local.py: the chain, else a random one of the question's options, in the order of the
    rows."""
    generator = random.Random(seed)
    return [
        official_chain(text) or LETTERS[generator.randint(0, count - 1)]
        for text, count in zip(texts, option_counts, strict=True)
    ]


def official_l1_random(texts: Sequence[str], seed: int = 12345) -> list[str]:
    """compute_accuracy.py: level 1, else a random letter from A to J, in the order of the rows."""
    generator = random.Random(seed)
    return [official_l1(text) or generator.choice(LETTERS) for text in texts]
