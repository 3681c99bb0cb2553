"""Reading the judge's score: the last Score line of the judge's own words.

Known forms: "Score: 4", "**Score:** 4", "Score：4", "Total score: 4 points", "4/5", "4 out of 5",
"1 + 1 + 2 = 4", "[[4]]", `"score": 4`; without any of them, "I would give it a 4 out of 5". Ranges, words,
and numbers off the scale or between its steps are not scores. A missing score is a missing score, never 0.
What quotes the judged response does not count: block quotes, fenced blocks (unless one is all the verdict
there is), words in quotation marks, and "the response says ...". Criterion scores ("Relevance score: 5") are
not the score.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from scripts.lib.tasks import Answer
from scripts.lib.tasks.reading.phrases import sides
from scripts.lib.tasks.reading.quantity import canonical, quantities, rational
from scripts.lib.tasks.reading.text import REACH, end_of_response, plain


class Scale(NamedTuple):
    """Which scores exist: `low`, `low + step`, ... `high`."""

    low: Fraction = Fraction(0)
    high: Fraction = Fraction(5)
    step: Fraction = Fraction(1)


PAPER = Scale()
"""The paper's additive scale, 0 to 5 in whole points."""
MT_BENCH = Scale(Fraction(1), Fraction(10), Fraction(1, 2))
"""FastChat's ratings as judges give them: 1 to 10, with half points."""

CANDIDATES_READ = 32
"""Score lines looked at, from the last backwards."""

BREAKS = 8
"""Passes of `break_verdicts`; a mark rarely makes another phrase a verdict, and then the next pass marks
that."""

_WHOSE = (
    r"(?:(?:the|my|this|final|total|overall|evaluation|assigned|given|summed|quality|response|answer"
    r"|resulting|additive)\s+)*"
)
_LEAD = (
    r"(?:(?:therefore|thus|hence|so|overall|finally"
    r"|(?:in|on)\s(?:total|reflection|conclusion|summary|balance)),?\s)?"
)
_LABEL = re.compile(
    rf"""
      (?:^|(?<=[.!?;)\]]\s)|(?<=[.!?;)\]]\s\s))                           # at the start of a line or sentence
      [ \t>\#*_`"'{{(\[.-]{{0,12}}(?:\d{{1,2}}[.)]\s{{1,3}})?[*_]{{0,3}}  # ### 3. **
      {_LEAD}{_WHOSE}                                                     # Therefore, the final
      (?:scores?|rating|grade|points)\b["'*_` ]{{0,6}}                    # score**
      # (0 to 5), [0-5], out of 5
      (?:(?:\([^()\n]{{0,40}}\)|\[\d{{1,3}}\s?-\s?\d{{1,3}}\]|out\sof\s\d{{1,3}})[*_ ]{{0,4}})?
      (?P<label>[:=]|\s?-\s|is\b\s?:?|of\b|(?=\s{{1,3}}[*_]{{0,3}}\d))    # : 4, = 4, - 4, is 4, of 4, 4
    | "(?:(?:final|total|overall)[_ ])?(?:score|rating)"\s{{0,4}}:(?P<json>)  # "score": 4
    | (?P<bracket>\[RESULT\]|\[\[)(?=\s{{0,3}}[-\d])                      # [[4]]
    """,
    re.I | re.M | re.X,
)
_PROSE = re.compile(
    r"""
    # I'd give it a 4
    (?:\bI(?:\s(?:would|will|am)|'d|'ll)?\s(?:give|rate|award|assign|grant|score|giving)\b[^.\n\d]{0,80}?
      |\b(?:response|answer|it)\s(?:deserves|receives|earns|scores|gets|merits)\b[^.\n\d]{0,40}?  # It earns 4
      |\b(?:final|total|overall)\s(?:score|rating)\b[^.\n\d]{0,40}?\b(?:is|of)\s            # total score of 4
      |^[ \t>\#*_-]{0,8}(?:sum\s)?total(?:\spoints)?[*_ ]{0,4}[:=][*_ ]{0,4})               # Total: 4
    (?=[*_]{0,3}\d)
    """,
    re.I | re.M | re.X,
)
_REPORTED = re.compile(
    r"""
      \b(?:response|answer|assistant|student|text|model|candidate|it|user)\b[^.\n]*\b
      (?:says?|said|claims?|claimed|states?|stated|contains?|includes?|ends?|reads?|writes?|wrote|outputs?|itself
        |asks?|asked|instructs?)\b[^.\n]*$                          # The response ends with
    | ^\W{0,3}(?:response|answer|assistant|student|user)\W{0,3}:    # Response:
    """,
    re.I | re.X,
)
_OUT_OF = re.compile(
    r"\s?(?:points?\s?)?(?:/|\(?out\sof(?:\sa\s(?:possible|maximum|total)(?:\sof)?)?"
    r"|of)\s?(\d{1,3})(?:\.0{1,2})?(?!\d|\.\d)(?:\s?points?)?",
    re.I,
)
_NO_SCORE_AFTER = re.compile(
    r"\s?(?:[~+*/\u2013]|-(?!\s[A-Za-z])|(?:to|or|and|through)\s\W{0,3}(?:\d"
    r"|(?:zero|one|two|three|four|five)\b)|%|,\s?\d|\.\d|\d)|[A-Za-z]",
    re.I,
)
_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)[^\n]{0,40}$", re.M)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,400}\"|(?<!\w)'[^'\n]{1,200}'(?!\w)|`[^`\n]{1,200}`|\u201c[^\u201d\n]{1,400}\u201d"
)
_QUOTES_SCORE = re.compile(r"\b(?:score|rating|grade|points?)\b.{0,40}\d|\[\[\s?\d|\d\s?/\s?\d", re.I)


def _blank(text: str) -> str:
    return re.sub(r"\S", " ", text)


def _own_words(text: str) -> str:
    """The judge's text with what it quotes blanked out, character for character."""
    first = _LABEL.search(text)
    fences = list(_FENCE.finditer(text))
    pieces, done = [], 0
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        inside = text[opening.end() : closing.start()].strip()
        verdict = inside.count("\n") < 4 or inside.startswith("{")
        alone = not text[closing.end() :].strip() and (first is None or first.start() > opening.start())
        pieces += [text[done : opening.start()], _blank(opening[0])]
        body = text[opening.end() : closing.end()]
        pieces.append(body if verdict and alone else _blank(body))
        done = closing.end()
    text = "".join(pieces) + text[done:]
    text = re.sub(r"^[ \t]{0,3}>[^\n]*", lambda match: _blank(match[0]), text, flags=re.M)
    return _QUOTED.sub(lambda match: _blank(match[0]) if _QUOTES_SCORE.search(match[0]) else match[0], text)


def _score(payload: str, scale: Scale) -> str | None:
    """The score a label's payload states, or None: "4/5", "1 + 1 + 2 = 4", "4 points" are scores,
    "4-5" is not."""
    for side in reversed(sides(plain(payload))):
        side = side.strip(" \t*_[(<$\"'`{")
        match = re.match(r"[+-]?\d{1,3}(?:\.\d{1,3})?(?!\d)", side)
        if match and not re.match(r"\s?[+*]\s?\d", side[match.end() :]):
            return _on_scale(match[0], side[match.end() :], scale)
    return None


def _on_scale(number: str, rest: str, scale: Scale) -> str | None:
    if match := _OUT_OF.match(rest):
        if Fraction(int(match[1])) != scale.high:
            return None
        rest = rest[match.end() :]
    if _NO_SCORE_AFTER.match(rest):
        return None
    found = quantities(number)
    value = rational(found[0].value) if found else None
    if value is None or not scale.low <= value <= scale.high or (value - scale.low) % scale.step:
        return None
    return canonical(value)


def _candidates(own: str) -> Iterator[tuple[int, str, int]]:
    """Where the judge states a score, from the last backwards: start, payload, end of the payload."""
    for match in reversed(list(_LABEL.finditer(own))[-CANDIDATES_READ:]):
        line_start = own.rfind("\n", 0, match.start() + 1) + 1
        if match.lastgroup == "label" and _REPORTED.search(
            own[max(line_start, match.start() - 300) : match.start()]
        ):
            continue
        payload = own[match.end() : match.end() + 200]
        if not payload.split("\n", 1)[0].strip(" *_`\"'[("):
            payload = payload.lstrip(" *_`\"'[(\n\t\r")
            if not re.match(r"[\d<$\\]", payload):
                continue
        payload = payload.split("\n", 1)[0]
        yield match.start(), payload, match.end() + len(payload)
    for match in reversed(list(_PROSE.finditer(own))[-CANDIDATES_READ:]):
        payload = own[match.end() : match.end() + 60].split("\n", 1)[0]
        yield match.start(), payload, match.end() + len(payload)


_STATED = re.compile(r".*(?:scores?|rating|grade|points)(?![^\W_])", re.I | re.S)


def break_verdicts(text: str, mark: str) -> str:
    """The text with `mark` set into everything that `read_score` could take for a judge's verdict,
    quoted or not."""
    for _ in range(BREAKS):
        read = text.replace("\uff1a", ":")
        places = []
        for match in _LABEL.finditer(read):
            stated = _STATED.match(match[0])
            places.append(match.start() + (stated.end() if stated else match[0].index("[") + 1))
        for match in _PROSE.finditer(read):
            gap = re.search(r"\s", match[0])
            places.append(match.start() + gap.start() if gap else match.end())
        if not places:
            break
        ends = [0, *sorted(set(places)), len(text)]
        text = mark.join(text[start:end] for start, end in pairwise(ends))
    return text


def read_score(text: str, finish_reason: str = "stop", scale: Scale = PAPER) -> Answer:
    """The score a judge gives, as canonical text ("4").

    none when no score was stated; ambiguous when what was stated is no score of the scale;
    truncated when the text was cut off before its score, or within it.
    """
    skipped = max(0, len(text) - REACH)
    own = _own_words(text[skipped:].replace("\uff1a", ":"))
    end, ran_on = end_of_response(own)
    cut_off = finish_reason in ("length", "content_filter")
    found = next(_candidates(own[:end]), None)
    if found is None and ran_on:
        found = next(_candidates(own), None)
    if found is None:
        return Answer(None, "truncated" if cut_off else "none")
    start, payload, stop = found
    span = (skipped + start, min(skipped + stop, len(text)))
    if cut_off and stop >= len(own.rstrip()) and payload[-1:].isdigit():
        return Answer(None, "truncated", span)
    value = _score(payload, scale)
    if value is None:
        return Answer(None, "ambiguous" if re.search(r"\d", payload) else "none", span)
    return Answer(value, "ok", span)
