"""What a plain phrase or sentence says a number is."""

import re
from fractions import Fraction
from typing import NamedTuple

from scripts.lib.tasks.reading.quantity import (
    NUMBER_WORDS,
    Quantity,
    canonical,
    from_words,
    quantities,
    rational,
)
from scripts.lib.tasks.reading.retraction import RETRACTS
from scripts.lib.tasks.reading.text import matched

_SIGNS = r"(?:[-$\u20ac\u00a3]|\.?\d)"
_RANGE = re.compile(
    r"\s?(?:[-~]|to|or|and|through|,|,\sor|,\sand|and/or|/|:|;)\s?(?:about\s|approximately\s"
    rf"|even\s)?(?={_SIGNS})",
    re.I,
)
_LEAD = re.compile(
    r"(?:[\s\"'(\[{:=~>*_|-]|(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly|just|only"
    r"|simply|now|thus|"
    r"therefore|also|still|a\stotal\sof|the\snumber|equal\sto|indeed|that|at\s(?:least|most)"
    r"|[a-z]\s?=)(?=[\s:,])|,|[$]\s?(?=\([^$()\n]{1,40}\)\s?[$]))*",
    re.I,
)
_POWER = re.compile(r"\s?(?:\^|\*\*)\s?\{?(\d{1,2})\}?(?!\s?[-+*/^(!]|\s?x\s?\d|\w)")
_MORE = re.compile(
    r",?\s(?:and\s)?\d[\d.,]{0,9}\s?(?:hundred|thousand|million|lakh)s?\b|\s\(?(?:repeating|recurring)\b",
    re.I,
)
"""2 million 500 thousand, 0.16 repeating: the number before it is not all of it."""
_ACCOUNTING = re.compile(
    r"[\s\"'*_:=-]{0,8}(?:\(\s?[$\u20ac\u00a3]\s?[\d.,]{1,20}\s?\)"
    r"|[$\u20ac\u00a3]\s?\(\s?[\d.,]{1,20}\s?\)(?!\s?[$]))"
)
"""($5) is a loss of $5 to a book-keeper, and $5 to others."""
_STATES = re.compile(
    r"""
    (?:\b(?:total|sum|profit|loss|gain|cost|price|income|revenue|average|mean|distance|length|weight|amount|balance
         |remainder|value|salary|wage|bill|savings|difference|discount|tip|score|rate|area|volume|perimeter
         |earnings|surplus|count)\sof                                       # a profit of 42
      |\b(?:left|ends?\sup|ended\sup|(?:leaves|leaving)\s\w{1,15}|remains)\swith     # That leaves her with 42
      |\b(?:comes?|came|coming|amounts?|adds?\sup|sums?\sup|totals?|works\sout)\s(?:out\s)?to   # It comes to
      |\b(?:stands?|arrives?|comes?\sout)\sat)
    \s(?:about\s|exactly\s|roughly\s)?(?:[$]\s?)?$
    """,
    re.I | re.X,
)
"""Before a number that says how much, though a preposition stands before it."""
_VARIABLE = re.compile(
    r"\s?\*?\s?(?:[xyznXYZN](?![\w'])(?!\s?\d)|\([a-zA-Z]\)|\^|\*\*)|\(\d|\s?(?:\\(?:pi|sqrt)\b|\u03c0|\u221a)"
    r"|\s?[-+*]\s?\(?\d*[a-zA-Z](?![a-zA-Z])"
)
_OPERATION = re.compile(
    rf"\s?(?:[-+*x]|/|plus|minus|times|divided\sby|multiplied\sby)\s?\(?(?={_SIGNS})"
    r"|\s(?=\d{3}(?!\d|[\s-]?[a-zA-Z])|\d+\W*$)"
)
_BINARY = re.compile(
    r"(?:\d[\w)%$ ]{0,30}|\w_\w{0,30}|\))\s?[-+*/]\s?\(?[$]?$|[A-Za-z]\s[*/]\s\(?[$]?$"
    r"|[\d)]\s(?:x|plus|minus|times)\s\(?[$]?$"
)
"""Before a number: it is the last operand of an expression whose result is not given."""
_TOTALS = re.compile(
    r"(?:\bwhich\s(?:is|equals|makes|gives|totals|leaves|comes\sto)(?:\sabout|\sapproximately)?"
    r"|\b(?:for|giving|making|with|gives|makes)\s(?:\w+\s){0,3}?(?:a"
    r"|an)\s(?:\w+\s){0,2}total\sof)\s(?=[-$\d])",
    re.I,
)
_COMPARED = re.compile(
    r"[-$\d.,%]{1,20}\s?(?:\w+\s){0,2}(?:more|less|fewer|times|higher|lower|older|younger)\b", re.I
)
_SUBORDINATE = re.compile(
    r"\s(?:before|after|when|while|if|because|since|(?:in\sorder\s)?to\s(?:make|get|reach|have|cover|buy)"
    r"|by\s\w+ing|out\sof)\b"
)
_ROUNDS_TO = re.compile(
    r",?\s\(?(?:which\s)?round(?:ed|s)(?:\s(?:up|down|off))?\s(?:to\s"
    r"|[^\d.\n]{0,40}\b(?:is|gives)\s)(?=[$]?\d[\d,.]*(?!\S*\s(?:decimal|significant|place|digit)))",
    re.I,
)
_CLAUSE = re.compile(r"\b(?:because|since|as|so|which|where|from|after|if|when)\b|[(;]", re.I)
_SECOND_UNIT = re.compile(
    r"(?:\s?[a-zA-Z]+(?![a-zA-Z])){0,5}?(?:,\s\d{1,9}(?:\s[a-zA-Z]+){1,4}){0,4},?\sand\s[$]?(?=\d)"
    r"|\s?(?:feet|foot|ft|pounds?|lbs?|hours?|minutes?|weeks?|days?|years?|months?),?\s(?=\d)"
)
_JOINED = re.compile(r"\d(?:\s[a-zA-Z]+){0,7},?\sand\s[$]?$|\b[a-zA-Z]\s?[-+*/]\s?\(?$")
_MONEY = re.compile(
    r"\s?(?:dollars?|pounds?|euros?|bucks)\s(?:and\s)?(\d{1,2})\s(?:cents?|pence|pennies)\b", re.I
)
_PART = re.compile(r"\sand\s(?:an?|one)[\s-](half|quarter|third|fourth|fifth)\b", re.I)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5}
_ROUNDED = re.compile(r"\s?,?\s?\(?(?:or|i\.e\.),?\s(?:about|approximately|roughly|around|approx\.?)\s", re.I)
_CORRECTED = re.compile(rf"\W{{0,4}}\b{RETRACTS}(?=-?[$]?\d)", re.I | re.X)
_CLOCK = re.compile(
    r"\s?(?:(?:hours?|hrs?)[\s,]{1,2}(?:and\s)?(?=\d{1,2}\s?min)"
    r"|(?:minutes?|mins?)[\s,]{1,2}(?:and\s)?(?=\d{1,2}\s?sec))"
    r"(\d{1,2})\s?(?:minutes?|mins?|seconds?|secs?)\b",
    re.I,
)
_PERCENT = re.compile(
    r"\s?,?\s?\(?(?:or|i\.?e\.?|which is|equivalently|that is),?\s(\d{1,9}(?:\.\d{1,9})?)\s?(?:%|percent)",
    re.I,
)
_MODIFIER = re.compile(
    r"(?:\b(?:the|all|each|every|these|those|for|in|after|over|of|per|with|from|at|by|within|during|first"
    r"|last|next|other|"
    r"on|than|day|week|month|year|step|number|question|page|age|to|between|against|when|using|both|if)"
    r"|#)\s?(?:[$]\s?)?$",
    re.I,
)
_MINUS = re.compile(r"(?:\b(?:negative|minus)\s|(?<!\w)-)$", re.I)
_NEGATIVE = re.compile(
    r"\b(?:negative|(?:(?<=\b(?:is|be|at|to|of)\s)|(?<=\b(?:was|are)\s))minus)\s(?=[$]?\d)", re.I
)
"""A sign in words, not the subtraction of "20 minus 5"."""


class Stated(NamedTuple):
    """What a passage states: a value; or several things (`ambiguous`); or that there is no answer (`denied`);
    or nothing."""

    value: str | None = None
    ambiguous: bool = False
    denied: bool = False


NOTHING = Stated()
SEVERAL = Stated(ambiguous=True)
DENIED = Stated(denied=True)


_EQUALS = re.compile(
    r"[=\s](?:(?<==)(?<![<>!=]=)(?![=<>])|(?<=[^,]\s)(?:equals|is\sequal\sto|adds?\sup\sto)\s(?=[-$\d]))"
)
"""It opens with the characters that it can open with: a search skips to those."""
_EQUALS_SIGN = re.compile(r"=(?<![<>!=]=)(?![=<>])")
"""The same where no word says so, in a tenth of the time."""
_IS = re.compile(
    r"((?:[-+*/x]|plus|minus|times|(?:divided"
    r"|multiplied)\sby)\s[$]?[\d.,]{1,15}(?:\s[a-z]{1,12}){0,2}?)\sis\s(?=[-$\d])"
)
_IS_A_NUMBER = re.compile(r"is\s[-$\d]")
"""What every such equation has: looking for it is faster."""


def signed(text: str) -> str:
    """The text with "negative 5" and "is minus 5" as -5."""
    lowered = text.lower()
    may = "negative" in lowered or "minus" in lowered or not text.isascii()
    return _NEGATIVE.sub("-", text) if may else text


def sides(text: str) -> list[str]:
    """The sides of the equations of a passage; "12 + 3 is 15" and "equals" are equations, too."""
    if _IS_A_NUMBER.search(text):
        text = _IS.sub(r"\1 = ", text)
    return (_EQUALS if "equal" in text or "add" in text else _EQUALS_SIGN).split(text)


def _at(text: str, number: Quantity) -> Stated:
    """The value of a number in a phrase, unless what follows makes it part of something else."""
    rest = text[number.end : number.end + 90]
    if match := _CORRECTED.match(rest) or _ROUNDS_TO.match(rest):
        return leading(rest[match.end() :])
    if match := _MONEY.match(rest):
        return _with_part(number, match[1], 100)
    if match := _CLOCK.match(rest):
        return _with_part(number, match[1], 60)
    if match := _PART.match(rest):
        return _with_part(number, "1", _PARTS[match[1].lower()])
    if (match := _PERCENT.match(rest)) and (value := rational(number.value)) is not None:
        percent = Fraction(match[1])
        return Stated(canonical(percent)) if percent in (100 * value, value) else SEVERAL
    if _ROUNDED.match(rest):
        return Stated(number.value)
    before = text[max(0, number.start - 60) : number.start]
    if _JOINED.search(before) or _BINARY.search(before):
        return SEVERAL
    if (match := _POWER.match(rest)) and re.fullmatch(r"-?\d{1,4}", number.value):
        power = abs(int(number.value)) ** int(match[1])
        return Stated(str(-power if number.value.startswith("-") else power))
    if any(pattern.match(rest) for pattern in (_VARIABLE, _RANGE, _OPERATION, _SECOND_UNIT, _MORE)):
        return SEVERAL
    return Stated(number.value)


def _with_part(number: Quantity, part: str, base: int) -> Stated:
    whole = rational(number.value)
    return SEVERAL if whole is None else Stated(canonical(whole + Fraction(int(part), base)))


def leading(text: str) -> Stated:
    """The number a phrase opens with ("about $18 per day"), or the last finished side of an equation it opens
    with."""
    parts = sides(text)
    if len(parts) > 1 and not _CLAUSE.search(parts[0]):
        for side in reversed(parts):
            stated = _opening(side)
            if stated.value is not None:
                return stated
        return SEVERAL if any(quantities(side) for side in parts) else NOTHING
    return _opening(text)


def _opening(text: str) -> Stated:
    if _ACCOUNTING.match(text):
        return SEVERAL
    lead = matched(_LEAD, text)
    rest = text[lead : lead + 160]
    if sign := re.match(r"(?:negative|minus)\s", rest, re.I):
        rest = rest[sign.end() :]
    minus = "-" if sign or text[:lead].rstrip().endswith("-") else ""
    if re.match(
        r"(?:between\b|(?:more|less|fewer|greater|higher|lower)\sthan\b"
        r"|(?:over|under|above|below)\s(?=[$]?\d))",
        rest,
        re.I,
    ):
        return SEVERAL
    found = quantities(minus + rest)
    if found and found[0].start == 0:
        return _at(minus + rest, found[0])
    word = NUMBER_WORDS.match(rest)
    if word and (value := from_words(word[0])) is not None:
        following = rest[word.end() :]
        if re.match(r"\s(?:or|to)\s(?:\d|[a-z]+\b)", following) and NUMBER_WORDS.match(
            following.lstrip()[3:].lstrip()
        ):
            return SEVERAL
        if not re.match(r"\s(?:of the|of these|more|who|that)\b", following):
            return Stated(_negative(value) if sign or text[:lead].endswith("-") else value)
    return NOTHING


def _negative(value: str) -> str:
    return value if value == "0" else "-" + value


def in_sentence(text: str, result: str | None, lenient: bool) -> Stated:
    """The number a concluding sentence states.

    The right-hand side of its equation; else its only number; else the one that repeats the `result` computed
    just before; else the only amount of money, or the only number that does not qualify something else
    ("the 16 glasses"). `lenient`: number words count, too.
    """
    text = signed(text)
    for side in reversed(sides(text)[1:]):
        stated = _opening(side)
        if stated.value is not None or quantities(side[:40]):
            return stated
    found = quantities(text)
    if not found:
        word = NUMBER_WORDS.search(text) if lenient else None
        if word is None or re.match(r"\s*(?:one|a|an|second|third)\b", word[0], re.I):
            return NOTHING
        value = from_words(word[0])
        return Stated(_negative(value) if value and _MINUS.search(text[: word.start()]) else value)
    values = {number.value for number in found}
    if len(values) == 1:
        return _at(text, found[-1])
    if re.search(r"\bbetween\b[^.]{0,40}\band\b", text):
        return SEVERAL
    for total in _TOTALS.finditer(text):
        stated = _opening(text[total.end() :])
        if stated.value is not None and not _COMPARED.match(text, total.end()):
            return stated
    if result in values:
        return _at(text, next(number for number in reversed(found) if number.value == result))
    main = len(_SUBORDINATE.split(text, maxsplit=1)[0])
    for keep in (
        lambda number: number.currency,
        lambda number: not _qualifies(text, number),
        lambda number: number.end <= main and not _qualifies(text, number),
        lambda number: text[number.end : number.end + 1] != "-" and not text[: number.start].endswith("the "),
    ):
        chosen = [number for number in found if keep(number)]
        if len({number.value for number in chosen}) == 1:
            return _at(text, chosen[-1])
    return SEVERAL


def restates(text: str, result: str | None) -> bool:
    """Whether a sentence without an equation states just the `result` computed before ("She makes $18 in 2
    days.")."""
    if result is None or len(sides(text)) > 1:
        return False
    stated = [number for number in quantities(text) if not _qualifies(text, number)]
    return {number.value for number in stated} == {result} and _at(text, stated[-1]).value == result


def _qualifies(text: str, number: Quantity) -> bool:
    """Whether a number says which thing is meant, not how much: "the 16 glasses", "30-minute episodes",
    "in 2 days"."""
    if re.match(r"-[a-z]", text[number.end : number.end + 2]):
        return True
    before = text[max(0, number.start - 40) : number.start]
    return _MODIFIER.search(before[-20:]) is not None and _STATES.search(before) is None


def last_result(text: str) -> str | None:
    """The right-hand side of the last equation of a passage."""
    for side in reversed(sides(text)[1:][-4:]):
        found = quantities(side[:60])
        if found and matched(_LEAD, side) >= found[0].start:
            return found[0].value
    return None
