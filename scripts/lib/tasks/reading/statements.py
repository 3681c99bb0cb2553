"""Explicit statements of an answer of any form: what follows a marker, for families that read it themselves.

Numbers and letters have markers of their own (numeric.py, choice.py), which know what a number or a letter
looks like.
"""

import re
from collections.abc import Callable

from scripts.lib.tasks.base import Answer
from scripts.lib.tasks.reading.phrases import NOTHING, Stated
from scripts.lib.tasks.reading.retraction import said_instead
from scripts.lib.tasks.reading.text import REACH, closing_brace, end_of_response, matched, sentence_end

WINDOW = 400
"""Characters after a marker in which its answer must stand."""
LONE_WORDS = 5
"""Words that a response may have that is nothing but its answer."""
MARKERS_READ = 32
"""Explicit statements looked at, from the last backwards."""

_MARKER = re.compile(
    r"""
    \\(?:boxed|fbox)\s?\{ (?P<box>)                                  # \boxed{x + 1}
    | <(?:final_)?answer> (?P<tag>)                                  # <answer>Paris</answer>
    | (?:^|\n)\#{4,} (?P<line>)                                      # #### Paris
    | \b(?:answer|ans|solution|result|label)                         # The answer is $x + 1$.
      (?:\s(?:to|for|of|in)\s[^.\n:=?!]{0,60}?)?                     # The answer to the question is Paris.
      (?:,?\s(?:therefore|thus|then|so|hence),?)?                    # The answer, therefore, is Paris.
      [*_]{0,3}\s?(?:(?:would|should|must|will)\sbe\b|\bis\b|:|=) (?P<phrase>)   # **Answer:** Paris
    """,
    re.I | re.X,
)
_UNSURE = re.compile(
    r"\b(?:if|whether|suppose|assuming|assume|unless|what)\s(?:that\s)?(?:the|your|an?)?\s?$", re.I
)
_WORD = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")
_OPENING = re.compile(r"[\s:*_]*")
"""Between a marker and its answer: "**Answer:**\\n\\nParis"."""


def stated(
    text: str, finish_reason: str, read: Callable[[str], Stated], alone: Callable[[str], Stated] | None = None
) -> Answer:
    """The answer that a response states last, each statement's words read by `read`.

    A response of a few words without a marker is its answer, if `alone` (else `read`) takes it for one; so is
    what stands for another one that the response takes back, if `alone` does.
    What touches the end of a response that was cut off may lack its rest: truncated.
    """
    end, ran_on = end_of_response(text)
    cut_off = finish_reason in ("length", "content_filter") and not ran_on
    markers = list(_MARKER.finditer(text, max(0, end - REACH), end))[-MARKERS_READ:]
    instead = said_instead(text[:end]) if alone and markers and not cut_off else None
    if alone and instead and (found := alone(instead)).value is not None:
        return _answer(found, (text.rindex(instead, 0, end), end))
    for match in reversed(markers):
        if match.lastgroup == "phrase" and _UNSURE.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        start, stop = _words(text, match, end)
        if cut_off and stop >= len(text.rstrip()):
            return Answer(None, "truncated")
        if (found := read(text[start:stop])) != NOTHING:
            return _answer(found, (match.start(), stop))
    whole = text[:end].strip()
    few = 0 < len(whole) <= WINDOW and "\n" not in whole and len(_WORD.findall(whole)) <= LONE_WORDS
    if few and not markers and not cut_off and (found := (alone or read)(whole)) != NOTHING:
        return _answer(found, (0, end))
    return Answer(None, "truncated" if cut_off else "none")


def _words(text: str, match: re.Match, end: int) -> tuple[int, int]:
    """Where the words of a marker's answer begin and end."""
    start, end = match.end(), min(end, match.end() + WINDOW)
    window = text[start:end]
    if match.lastgroup == "box":
        return start, start + closing_brace(window)
    if match.lastgroup == "tag":
        return start, start + (window + "</").index("</")
    start += matched(_OPENING, window)
    return start, start + _sentence(text[start:end])


def _sentence(text: str) -> int:
    """Where a sentence ends, formulas left whole."""
    formula = re.match(r"[^$\\.\n]{0,60}(?:\$\$?[^$]+\$\$?|\\\(.+?\\\)|\\\[.+?\\\])", text, re.S)
    opening = formula.end() if formula else 0
    return opening + sentence_end(text[opening:])


def _answer(found: Stated, span: tuple[int, int]) -> Answer:
    if found.value is not None:
        return Answer(found.value, "ok", span)
    return Answer(None, "none" if found.denied else "ambiguous", span)
