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
from scripts.lib.tasks.reading.text import hedges, matched, plain

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
SHORT = 2
"""Letters of a label that may open a phrase as a mere word: "a", "no"."""
_JOINS = re.compile(r"\s?[/&%]|-|[.,]\d|\s(?:or|and)\b")
_NEXT = re.compile(r"[\W_]*(?:(?:or|and|but)\b)?[\W_]*")
_WORD = re.compile(r"(?<!\w)\S")
_ALONE = r"(?!\s(?!(?:wait|or|and)\b)\w)"
"""Behind a short label that is no mere word, either."""
_CONTRAST = re.compile(r"\b(?:not|rather than|instead of)\b")
_GOES_ON = re.compile(r"\s(?:is|it|he|she|they|we|you|there|this|that)\b")
"""Behind a short label: "no it is not", "b is right"."""
_YES_NO = re.compile(r"\W*(yes|no)\b(?=[.,!:;*]|\s*$)", re.I)


def normalise(text: str) -> str:
    """A short text without markup, case and what stands around it."""
    text = unicodedata.normalize("NFKC", plain(text)).casefold()
    return " ".join(text.split()).strip(_AROUND)


def _stands(label: str, text: str, behind: str = "") -> bool:
    """Whether a text opens with a label as a word, and then `behind`."""
    return text.startswith(label) and re.match(rf"{re.escape(label)}(?!\w){behind}", text) is not None


def _short(label: str) -> bool:
    return len(label) <= SHORT and label.isalpha()


def _label(value: str, clause: str, labels: set[str]) -> str | None:
    """The label that an answer, normalised, opens with, if what follows leaves it alone: "yes, it is", but
    not "yes or no" or "no idea". `clause`: the answer without its explanation."""
    label = max((label for label in labels if label and _stands(label, value)), key=len, default=None)
    if label is None or _JOINS.match(value, len(label)):
        return None
    others = [other for other in labels if other and other not in label and other in value]
    following = value[len(label) + matched(_NEXT, value[len(label) :]) :]
    if any(_stands(other, following, _ALONE if _short(other) else "") for other in others):
        return None
    rest = _CONTRAST.split(clause[len(label) :], maxsplit=1)[0]
    explains = re.match(r"\s?[^\w\s]|$", rest) is not None
    if _short(label) and not (explains or _GOES_ON.match(rest)):
        return None
    others = [other for other in others if not (explains and _short(other))]
    words = [match.start() for match in _WORD.finditer(rest)] if others else []
    return None if any(_stands(other, rest[at:]) for at in words for other in others) else label


def _state(words: str, options: Sequence[str]) -> Stated:
    value = normalise(words)
    labels = {normalise(option) for option in options}
    if value and value in labels:
        return Stated(value)
    if hedges(words):
        return DENIED
    clause = normalise(_CLAUSE.split(words.strip(), maxsplit=1)[0])
    if labels:
        label = _label(value, clause, labels)
        return Stated(label) if label else (SEVERAL if value else NOTHING)
    return Stated(clause) if clause and len(clause) <= LONGEST else NOTHING


def read_exact(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
    """The short text that a response states last; with options, one of them: anything else, and
    several at once, is ambiguous.

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
