"""Reading the judge's score: the last Score line of the judge's own words; and taking out of a text whatever
would be read as one.

Known forms: "Score: 4", "**Score:** 4", "Score：4", "Total score: 4 points", "4/5", "4 out of 5",
"1 + 1 + 2 = 4", "[[4]]", `"score": 4`; without any of them, "I would give it a 4 out of 5", "Perfect score:
5". Ranges, words, and numbers off the scale or between its steps are not scores. A missing score is a missing
score, never 0. What quotes the judged response does not count: block quotes, fenced blocks (unless they hold
all the verdict there is), words in quotation marks, and "the response says ...". Criterion scores ("Relevance
score: 5") are not the score.

All rules read folded text (`reading/folding.py`), the reader's and those of `break_verdicts` alike.
"""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from scripts.lib.engines.verdicts import bare
from scripts.lib.models.thoughts import split_thought
from scripts.lib.tasks import Answer
from scripts.lib.tasks.reading.folding import folded, rewritten
from scripts.lib.tasks.reading.phrases import sides
from scripts.lib.tasks.reading.quantity import canonical, quantities, rational
from scripts.lib.tasks.reading.retraction import RETRACTS, said_instead
from scripts.lib.tasks.reading.text import end_of_response, plain


class Scale(NamedTuple):
    """Which scores exist: `low`, `low + step`, ... `high`."""

    low: Fraction = Fraction(0)
    high: Fraction = Fraction(5)
    step: Fraction = Fraction(1)


PAPER = Scale()
"""The paper's additive scale, 0 to 5 in whole points."""
MT_BENCH = Scale(Fraction(1), Fraction(10), Fraction(1, 2))
"""FastChat's ratings as judges give them: 1 to 10, with half points."""

VERDICTS = {str(score): float(score) for score in range(6)} | {"no": 0.0, "yes": 5.0}
"""Judgements of one token, and the scores that they are."""

ROUNDED = 0.01
"""By how much probabilities that are told with few digits may add up to more than 1."""

CANDIDATES_READ = 32
"""Score lines looked at, from the last backwards."""

BREAKS = 8
"""Passes of `break_verdicts`: one verdict may stand within another."""

_WHOSE = (
    r"(?:(?:the|my|this|final|total|overall|evaluation|assigned|given|summed|quality|response|answer"
    r"|resulting|additive)\s{1,3}){0,5}"
)
_LEAD = (
    r"(?:(?:therefore|thus|hence|so|overall|finally"
    r"|(?:in|on)\s(?:total|reflection|conclusion|summary|balance)),?\s)?"
)
_STARTS = (
    r"(?:^|(?<=[.!?;)\]]\s)|(?<=[.!?;)\]]\s\s))[ \t>\#*_`\"'{(\[.-]{0,12}(?:\d{1,2}[.)]\s{1,3})?[*_]{0,3}"
)
"""At the start of a line or sentence: "### 3. **"."""
_NUMBER = r"""
    (?=(?:(?:[^\w\n]|_){0,60}|[\s*_`"'\[(<$\\]{0,200})                          # on the line or the next ones
      (?:(?:about|around|roughly|approximately|nearly|almost|between|at\s(?:least|most)|over|under)\s)?
      (?:\\[a-z]{1,12}\s?\{)?[^\w\n]{0,3}                                  # \boxed{4}
      (?P<number>\d+))
"""
_STATES = r"""
    (?:scores?|rating|grade|points)\b["'*_` ]{0,6}                          # score**
    # (0 to 5), [0-5], out of 5
    (?:(?:\([^()\n]{0,40}\)|\[\d{1,3}\s?-\s?\d{1,3}\]|out\sof\s\d{1,3})[*_ ]{0,4})?
    (?P<label>[:=]|\s?-\s|is\b\s?:?|of\b|(?=\s{1,3}[*_]{0,3}\d))          # : 4, = 4, - 4, is 4, of 4, 4
"""
_MARKED = r"""
      "(?:(?:final|total|overall)[_ ])?(?:score|rating)"\s{0,4}:            # "score": 4
    | \[RESULT\](?=\s{0,3}[-\d]) | \[\[(?=\s{0,3}[-\d][\d.]{0,6}(?:\s?/\s?\d{1,3})?\s{0,3}\]\])    # [[4]]
"""
_AWARDS = r"""
      \bI(?:\s(?:would|will|am)|'d|'ll)?\s(?:give|rate|award|assign|grant|score|giving)\b   # I'd give it a 4
    | \b(?:response|answer|it)\s(?:deserves|receives|earns|scores|gets|merits)\b            # It earns 4
"""
_FINALS = r"\b(?:final|total|overall)\s(?:score|rating)\b[^.\n\d]{0,40}?\b(?:is|of)\s"
"""The total score that I give is 4."""
_TOTALS = r"""
    (?:(?:sum\s)?total(?:\spoints)?                                       # Total: 4
      |(?:perfect|full|top|high|low|good|strong|solid|fair|deserved|recommended|suggested|awarded)
       \s(?:score|marks?|rating))                                         # Perfect score: 5
    [*_ ]{0,4}[:=][*_ ]{0,4}
"""
_LABEL = re.compile(
    rf"(?:{_STARTS}{_LEAD}{_WHOSE}{_STATES}|{_MARKED}){_NUMBER}",
    re.I | re.M | re.X,
)
_PROSE = re.compile(
    rf"(?:(?:{_AWARDS})[^.\n\d]{{0,80}}?|{_FINALS}|^[ \t>\#*_-]{{0,8}}{_TOTALS})(?=[*_]{{0,3}}\d)",
    re.I | re.M | re.X,
)
_STATED = re.compile(rf"(?:(?<![^\W_]){_STATES}|{_MARKED}|(?<![^\W_]){_TOTALS}){_NUMBER}", re.I | re.X)
_AWARDED = re.compile(rf"(?:{_AWARDS}|{_FINALS})(?=(?P<number>[^.\n]{{0,90}}))", re.I | re.X)
_CORRECTED = re.compile(rf"\b{RETRACTS}(?=(?P<number>[^.\n]{{0,60}}))", re.I | re.X)
"""The reader's forms wherever they stand, in a line of its own or not."""
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
_ONLY_SCORE = re.compile(
    rf"\W{{0,6}}\d{{1,3}}(?:\.\d{{1,3}})?(?:\spoints?)?(?:{_OUT_OF.pattern})?\W{{0,6}}", re.I
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


def _own_words(text: str, fenced: bool) -> str:
    """The judge's text with what it quotes blanked out, character for character; `fenced` blocks, too."""
    if fenced:
        fences = list(_FENCE.finditer(text))
        pieces, done = [], 0
        for opening, closing in zip(fences[::2], fences[1::2], strict=False):
            pieces += [text[done : opening.start()], _blank(text[opening.start() : closing.end()])]
            done = closing.end()
        text = "".join([*pieces, text[done:]])
    text = re.sub(r"^[ \t]{0,3}>[^\n]*", lambda match: _blank(match[0]), text, flags=re.M)
    return _QUOTED.sub(lambda match: _blank(match[0]) if _QUOTES_SCORE.search(match[0]) else match[0], text)


def _views(text: str) -> Iterator[str]:
    """What may hold the judge's verdict, the likelier first: without what it quotes and what it writes after
    its end; where nothing is left of a verdict, with that, and with fenced blocks."""
    for fenced in (True, False):
        own = _own_words(text, fenced)
        end, ran_on = end_of_response(own)
        yield own[:end]
        if ran_on:
            yield own


_TERM = (
    r"[-*_$(\[\s]*\d{1,2}(?:\.\d{1,2})?\s?(?:points?\b)?(?:\sfor(?:\s[^\W\d]{1,20}){1,4}?)?"
    r"\s?(?:\([^()\n]{0,60}\))?[*_)]*"
)
_SUM = re.compile(rf"{_TERM}(?:\s*[-+]{_TERM})+\s*", re.I)
"""Points added up: "1 + 1 + 2", "1 (relevance) + 1 (coverage)"."""


def _score(payload: str, scale: Scale) -> str | None:
    """The score a label's payload states, or None: "4/5", "4 points" are scores, "4-5" is not.

    Of an equation the result counts only where points are added up: "1 + 1 + 2 = 4" is 4, "1 because
    2 + 3 = 5" is 1.
    """
    side, *results = sides(plain(payload))
    while points := _SUM.match(side):
        if not results or points.end() < len(side):
            return None
        side, *results = results
    side = side.strip(" \t*_[(<$\"'`{")
    match = re.match(r"[+-]?\d{1,3}(?:\.\d{1,3})?(?!\d)", side)
    return _on_scale(match[0], side[match.end() :], scale) if match else None


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
        before = own[max(line_start, match.start() - 300) : match.start()]
        if match["label"] is not None and _REPORTED.search(before):
            continue
        start, line = match.end(), own[match.end() : match.end() + 200].split("\n", 1)[0]
        if not line.strip(" \t*_`\"'[("):
            start = match.start("number")
            line = own[start : start + 200].split("\n", 1)[0]
        yield match.start(), line, start + len(line)
    for match in reversed(list(_PROSE.finditer(own))[-CANDIDATES_READ:]):
        payload = own[match.end() : match.end() + 60].split("\n", 1)[0]
        yield match.start(), payload, match.end() + len(payload)


_RUN = re.compile(r"\d+")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _spelled(digits: str) -> str:
    """The digits in words: "10" as "one-zero"."""
    return "-".join(_DIGITS[int(digit)] for digit in digits)


def break_verdicts(text: str) -> str:
    """The text with the number of everything that `read_score` could take for a judge's verdict spelled out,
    quoted or not: a number in words is no score."""
    for _ in range(BREAKS):
        read, _ = folded(text)
        digits = {
            run.span()
            for pattern in (_STATED, _AWARDED, _CORRECTED)
            for match in pattern.finditer(read)
            for run in _RUN.finditer(read, *match.span("number"))
        }
        if not digits:
            break
        text = rewritten(text, sorted(digits), _spelled)
    return text


def read_verdict(text: str) -> float | None:
    """The score of a judgement of one token: by the probabilities of VERDICTS (`engines/verdicts.py`), or by
    the token. None for another token, for what are no probabilities, and where other tokens are likelier than
    all verdicts together."""
    try:
        chances = json.loads(text)
    except (ValueError, RecursionError):
        chances = None
    if not isinstance(chances, dict):
        return VERDICTS.get(bare(text))
    if not all(word in VERDICTS and _is_chance(chance) for word, chance in chances.items()):
        return None
    total = sum(chances.values())
    if not 0.5 <= total <= 1 + ROUNDED:
        return None
    return sum(VERDICTS[word] * chance for word, chance in chances.items()) / total


def _is_chance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1 + ROUNDED


def read_score(text: str, finish_reason: str = "stop", scale: Scale = PAPER) -> Answer:
    """The score a judge gives, as canonical text ("4").

    none when no score was stated; ambiguous when what was stated is no score of the scale;
    truncated when the text was cut off before its score, or within it. A thought before the verdict is no
    part of it.
    """
    parts = split_thought(text)
    read, origins = folded(parts.reply)
    cut_off = finish_reason in ("length", "content_filter")
    found = next(((own, *found) for own in _views(read) for found in _candidates(own)), None)
    if found is None:
        return Answer(None, "truncated" if cut_off else "none")
    own, start, payload, stop = found
    if not cut_off and (said := said_instead(own[start:])) and _ONLY_SCORE.fullmatch(said):
        payload, stop = said, len(own)
    span = (parts.start + origins[start], parts.start + origins[stop])
    if cut_off and stop >= len(read.rstrip()) and payload.rstrip()[-1:].isdigit():
        return Answer(None, "truncated", span)
    value = _score(payload, scale)
    return Answer(value, "ok" if value is not None else "ambiguous", span)
