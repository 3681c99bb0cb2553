"""Short texts: `exact` (labels, yes or no, names). Two answers are the same when their normalised texts are.

Normalised: without markup, case, quotation marks and punctuation around it, and with single spaces.
Where the question brings options (its labels), an answer is one of them.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial

from scripts.lib.errors import UserError
from scripts.lib.tasks.base import Answer, Task
from scripts.lib.tasks.reading.phrases import DENIED, NOTHING, SEVERAL, Stated
from scripts.lib.tasks.reading.statements import stated
from scripts.lib.tasks.reading.text import hedges, plain

LONGEST = 100
"""Characters; what is longer is an explanation, not a short answer."""
_AROUND = " \t\r\n\"'`*_.,;:!?()[]{}<>$"
_CLAUSE = re.compile(
    r"""
    ;                                                                        # yes; the sky is blue
    | ,\s(?:because|since|as|so|which|where|and|but|not|for|due|with)\b      # Paris, which is on the Seine
    | \s(?:because|since)\b                                                  # yes because it is blue
    | (?<=[^\s])\s[-\u2013\u2014]\s                                          # positive - it praises the film
    """,
    re.I | re.X,
)
"""Where the answer ends and its explanation begins."""
_YES_NO = re.compile(r"\W*(yes|no)\b(?=[.,!:;*]|\s*$)", re.I)


def normalise(text: str) -> str:
    """A short text without markup, case and what stands around it."""
    text = unicodedata.normalize("NFKC", plain(text)).casefold()
    return " ".join(text.split()).strip(_AROUND)


def _state(words: str, options: Sequence[str]) -> Stated:
    value = normalise(words)
    labels = {normalise(option) for option in options}
    if value in labels:
        return Stated(value)
    if hedges(words):
        return DENIED
    value = normalise(_CLAUSE.split(words.strip(), maxsplit=1)[0])
    if labels:
        opens = {label for label in labels if label and re.match(rf"{re.escape(label)}(?!\w)", value)}
        longest = max(opens, key=len, default=None)
        return Stated(longest) if longest else (SEVERAL if value else NOTHING)
    return Stated(value) if value and len(value) <= LONGEST else NOTHING


def read_exact(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
    """The short text that a response states last; with options, one of them: anything else is ambiguous.

    A response that opens with "Yes," or "No." and marks no answer states that.
    """
    answer = stated(text, finish_reason, partial(_state, options=options))
    if answer.status == "none" and answer.span is None and not options and (opening := _YES_NO.match(text)):
        return Answer(normalise(opening[1]), "ok", opening.span(1))
    return answer


def exact_gold(gold: str) -> str:
    """The normalised text of a reference answer. Raises UserError when nothing is left of it."""
    value = normalise(gold)
    if not value:
        raise UserError(f"the reference answer {gold!r} is empty; golds of this task are short texts")
    return value


def check_label(gold: str, options: Sequence[str]) -> None:
    """Raise UserError for a gold that is none of the question's options, and for options that are the same
    answer."""
    labels = [normalise(option) for option in options]
    twice = next((option for option in options if labels.count(normalise(option)) > 1), None)
    if twice is not None:
        raise UserError(f"the option {twice!r} is there twice, but for case and markup; mend the options")
    if labels and gold not in labels:
        raise UserError(
            f"{gold!r} is none of the question's {len(labels)} options; mend it, or leave it empty"
        )


EXACT = Task("exact", read_exact, exact_gold, check=check_label)
