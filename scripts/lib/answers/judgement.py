"""Reading the judge's score: the last Score line of the judge's own words.

Known forms: "Score: 4", "**Score:** 4", "Score：4", "Total score: 4 points", "4/5", "4 out of 5", "1 + 1 + 2 = 4",
"[[4]]", `"score": 4`. Ranges, words, and numbers off the scale or between its steps are not scores; a missing score is
a missing score, never 0. Lines that quote the judged response (block quotes, fenced blocks, a whole line in quotation
marks, words quoted within a line) do not count.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from scripts.lib.answers.answer import Answer
from scripts.lib.answers.quantity import canonical, quantities, rational
from scripts.lib.answers.text import plain


class Scale(NamedTuple):
    """Which scores exist: `low`, `low + step`, ... `high`."""

    low: Fraction = Fraction(0)
    high: Fraction = Fraction(5)
    step: Fraction = Fraction(1)


PAPER = Scale()
"""The paper's additive scale, 0 to 5 in whole points."""
MT_BENCH = Scale(Fraction(1), Fraction(10), Fraction(1, 2))
"""FastChat's ratings as judges give them: 1 to 10, with half points."""

_LABEL = re.compile(
    r"(?:\b(?:scores?|rating|grade|points\s(?:awarded|earned))\b[\"'*_` ]{0,6}(?:\([^()\n]{0,40}\)[*_ ]{0,4})?"
    r"(?::|=|\bis\b|\bof\b(?=\s{0,4}\d))|\[RESULT\]|\[\[(?=\s?[-\d]))",
    re.I,
)
_LINE = re.compile(
    r"^[\s>#*_`\"'{(\[\-\d.]*(?:(?:the|my|final|total|overall|evaluation|assigned|given|summed|quality|response|answer)\s*)*$",
    re.I,
)
_OUT_OF = re.compile(
    r"\s?(?:points?\s?)?(?:/|out\sof(?:\sa\s(?:possible|maximum|total)(?:\sof)?)?|of)\s?(\d{1,3})(?!\d)(?:\s?points?)?",
    re.I,
)
_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)[^\n]{0,40}$", re.M)
_QUOTED = re.compile(r"\"[^\"\n]{1,400}\"")


def _own_words(text: str) -> str:
    """The judge's text with what it quotes blanked out, character for character."""

    def blank(match: re.Match) -> str:
        return re.sub(r"\S", " ", match[0])

    fences = [match for match in _FENCE.finditer(text)]
    pieces, done = [], 0
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        inside = text[opening.end() : closing.start()]
        alone = (
            len([line for line in inside.splitlines() if line.strip()]) <= 4
            and not text[closing.end() :].strip()
        )
        pieces.append(text[done : opening.start()])
        whole = text[opening.start() : closing.end()]
        pieces.append(
            whole if alone and not _LABEL.search(text, 0, opening.start()) else re.sub(r"\S", " ", whole)
        )
        done = closing.end()
    text = "".join(pieces) + text[done:]
    text = re.sub(r"^[ \t]{0,3}>[^\n]*", blank, text, flags=re.M)
    return _QUOTED.sub(
        lambda match: blank(match) if re.search(r"\d", match[0]) and ":" in match[0] else match[0], text
    )


def _score(payload: str, scale: Scale) -> str | None:
    """The score a label's payload states, or None: "4/5", "1 + 1 + 2 = 4", "4 points" are scores, "4-5" is not."""
    payload = plain(payload).strip(" \t*_[(\"'`{")
    if "=" in payload:
        payload = payload.rsplit("=", 1)[1].strip()
    slashed = re.match(r"([+-]?\d{1,3}(?:\.\d{1,3})?)(?!\d)", payload)
    if not slashed:
        return None
    found, rest = quantities(slashed[1]), payload[slashed.end() :]
    if not found:
        return None
    if match := _OUT_OF.match(rest):
        if Fraction(int(match[1])) != scale.high:
            return None
        rest = rest[match.end() :]
    if re.match(r"\s?(?:[-~+*/]|to\b|or\b|and\b|through\b|%|,\s?\d|\.\d|\d)\s?", rest) and not re.match(
        r"\s?-\s[A-Za-z]|\s?or\s(?:better|so)", rest
    ):
        return None
    if re.match(r"[A-Za-z]", rest):
        return None
    value = rational(found[0].value)
    if not scale.low <= value <= scale.high or (value - scale.low) % scale.step:
        return None
    return canonical(value)


def read_score(text: str, finish_reason: str = "stop", scale: Scale = PAPER) -> Answer:
    """The score a judge gives, as canonical text ("4"); status none when there is none, ambiguous when it is no score of
    the scale, truncated when the text was cut off before it."""
    own = _own_words(text.replace("\uff1a", ":"))
    cut_off = finish_reason in ("length", "content_filter")
    labels = [match for match in _LABEL.finditer(own) if _heads(own, match)][-32:]
    for match in reversed(labels):
        line_end = own.find("\n", match.end())
        line_end = len(own) if line_end < 0 else line_end
        payload = own[match.end() : min(line_end, match.end() + 200)]
        if not payload.strip(" *_`\"'[("):
            following = own[match.end() : match.end() + 200].lstrip(" *_`\"'[(\n\t")
            payload = following.split("\n", 1)[0]
            if not re.match(r"[\d*_\[(]", payload):
                continue
        span = (match.start(), min(len(text), match.end() + len(payload)))
        value = _score(payload, scale)
        if value is None:
            return Answer(None, "ambiguous" if re.search(r"\d", payload) else "none", span)
        return Answer(value, "ok", span)
    return Answer(None, "truncated" if cut_off else "none")


def _heads(text: str, match: re.Match) -> bool:
    """Whether a label stands where a verdict stands: at the head of its line, in double brackets, or as the judge's own act."""
    if match[0].startswith("["):
        return True
    line = text[max(0, match.start() - 120) : match.start()].rsplit("\n", 1)[-1]
    if _LINE.match(line):
        return True
    return bool(
        re.search(
            r"(?:\b(?:final|total|overall|my)\s|\bI\s(?:would\s|will\s|'d\s)?(?:give|award|assign|rate)[^.\n]{0,60})$",
            line,
            re.I,
        )
    )
