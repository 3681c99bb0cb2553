"""Quantities: from how people and models write a number to one canonical text.

Canonical: a terminating value as a plain decimal without superfluous zeros ("18", "-2.5", "0.5"),
another rational as a reduced fraction ("1/3"), a clock time that is not a full hour as "2:30".
Equal quantities have equal texts, so equality of strings is the equivalence; there is no tolerance.
"""

import re
from fractions import Fraction
from typing import NamedTuple

MAX_DIGITS = 40
"""Longer runs of digits are a model's loop, not a quantity."""

_NUMBER = (
    rf"(?:(?:\d{{1,3}}(?:,\d{{2,3}}){{0,12}},\d{{3}}|\d{{1,{MAX_DIGITS}}})(?!\d"
    rf"|,\d)(?:\.\d{{1,{MAX_DIGITS}}}(?!\d|,\d))?"
    rf"|\.\d{{1,{MAX_DIGITS}}}(?!\d))(?!\.\d)"
)
_CURRENCY = r"(?:US\$|USD\b|Rs\.?|INR\b|EUR\b|GBP\b|[$\u20ac\u00a3\u00a5\u20b9\u00a2])"
_SCALES = {
    word + plural: scale
    for plural in ("", "s")
    for word, scale in {
        "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
        "lakh": 10**5, "lac": 10**5, "crore": 10**7,
    }.items()
}  # fmt: skip
_SHORT: dict[str, int | Fraction] = {
    "bn": 10**9, "bln": 10**9, "mln": 10**6, "mio": 10**6, "tenths": Fraction(1, 10),
    "hundredths": Fraction(1, 100), "thousandths": Fraction(1, 1000), "millionths": Fraction(1, 10**6),
}  # fmt: skip
_LETTERS = {
    "k": 1000, "m": 10**6, "b": 10**9, "mm": 10**6, "mn": 10**6, "mil": 10**6, "mill": 10**6, "bil": 10**9,
    "tn": 10**12, "cr": 10**7,
}  # fmt: skip
"""Scales of money alone ("$2m", "4mn dollars"), k apart; elsewhere they are metres, minutes and mills.
A capital M or B that touches its number is a scale of anything."""
_SCALE_OF: dict[str, int | Fraction] = {**_SCALES, **_SHORT, **_LETTERS}
_OF_MONEY = r"\s?(?:dollars?|bucks|usd|euros?|eur|pounds?|gbp|rupees?|rs|inr|yen|yuan|pesos?)\b"
QUANTITY = re.compile(
    rf"""
    (?<![\w.])(?<!\d,)                                              # not within "v2", "3.1.4" or "1,2"
    (?P<sign>[-+](?:\s?(?={_CURRENCY}))?)?                          # -5, - $5
    (?P<currency>{_CURRENCY}\s?)?                                   # $5, Rs. 5
    (?P<inner>[-+])?                                                # $-5
    (?:(?P<repeating>\d{{1,{MAX_DIGITS}}}\.\d{{0,{MAX_DIGITS}}}\(\d{{1,{MAX_DIGITS}}}\)(?!\d))   # 0.1(6)
      |(?P<number>{_NUMBER}))                                       # 1,234.50
    (?P<exponent>[eE][-+]?\d{{1,2}}(?!\d)                           # 1e3
      |\s?[*x]\s?10\s?\^\s?\{{?-?\d{{1,2}}\}}?)?                    # 1.5 x 10^{{3}}
    (?!e[-+]?\d|_\d)                                               # not 1e400, 1_000
    (?:(?P<clock>:[0-5]\d(?![\d:]))                                 # 2:30
      |(?P<fraction>(?:\s(?:and\s)?|-)\d{{1,6}}\s?/\s?\d{{1,6}}(?![\d/.]))   # 2 1/2, 2 and 1/2, 2-1/2
      |(?P<over>\s?/\s?\d{{1,{MAX_DIGITS}}}(?![\d/,]|\.\d)))?       # 1/2
    (?P<scale>(?:\s?(?:{"|".join([*_SCALES, *_SHORT])})\b){{1,2}}   # 2 million, 2 hundred thousands
      |\s?(?(currency)(?:{"|".join(_LETTERS)})|k)\b                 # $2m, 3k
      |\s?(?:{"|".join(_LETTERS)})\b(?={_OF_MONEY})                 # 1.5M dollars
      |(?-i:[MB]\b(?!&)|\sM(?=\W{{0,4}}$)))?                        # 1.5M, not 5 M&Ms
    (?P<percent>\s?%)?                                              # 50%
    """,
    re.I | re.X,
)


_DIGIT, _BEFORE = re.compile(r"\d"), 16
"""Every quantity holds a digit, and no more than signs and a currency before it."""


class Quantity(NamedTuple):
    """One number found in a passage: its canonical value, where it stands, and what clings to it."""

    value: str
    start: int
    end: int
    currency: bool


def canonical(value: Fraction) -> str:
    """The canonical text of a rational number."""
    numerator, denominator = value.numerator, value.denominator
    twos = fives = 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    if denominator != 1:
        return f"{numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if numerator < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def rational(text: str) -> Fraction | None:
    """The number that a canonical value stands for; None for clock times, "None" and letters."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _decimal(digits: str) -> str:
    """The canonical text of a number in decimals."""
    whole, _, places = digits.partition(".")
    places = places.rstrip("0")
    return (whole.lstrip("0") or "0") + ("." + places if places else "")


def _value(match: re.Match) -> str | None:
    repeating = match["repeating"]
    if match.end() == match.end("number") and match[0].isascii() and not (match["sign"] or match["inner"]):
        return _decimal(match["number"].replace(",", ""))
    value = _endless(repeating) if repeating else Fraction(match["number"].replace(",", ""))
    if match["clock"]:
        minutes = match["clock"][1:]
        return canonical(value) if minutes == "00" else f"{value}:{minutes}"
    if exponent := match["exponent"]:
        value *= Fraction(10) ** int(
            exponent.lower().replace("10", "", 1).strip(" *x^{}e") if "^" in exponent else exponent[1:]
        )
    if match["fraction"]:
        top, bottom = re.findall(r"\d+", match["fraction"])
        if int(bottom) == 0 or int(top) >= int(bottom) or value.denominator != 1:
            return None
        value += Fraction(int(top), int(bottom))
    elif match["over"]:
        bottom = int(match["over"].strip(" /"))
        if bottom == 0:
            return None
        value /= bottom
    for scale in (match["scale"] or "").lower().split():
        value *= _SCALE_OF[scale]
    if (match["sign"] or "").startswith("-") or match["inner"] == "-":
        value = -value
    return canonical(value)


def _endless(text: str) -> Fraction:
    """The number whose digits in brackets repeat without end: 0.1(6) is 1/6."""
    whole, places, period = re.split(r"[.(]", text.rstrip(")"))
    ended, once = int(whole + places), int(whole + places + period)
    return Fraction(once - ended, 10 ** len(places) * (10 ** len(period) - 1))


def quantities(text: str) -> list[Quantity]:
    """The numbers of a plain passage, in order; digits that are part of a word, a version or a date are not
    numbers."""
    found = []
    digit = _DIGIT.search(text)
    for match in QUANTITY.finditer(text, max(0, digit.start() - _BEFORE)) if digit else ():
        value = _value(match)
        if value is not None:
            found.append(Quantity(value, match.start(), match.end(), bool(match["currency"])))
    return found


_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * (2 + i) for i, word in enumerate(_TENS)
}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10,
}  # fmt: skip
_WORD = "|".join([*_WORDS, *_SCALES, *_PARTS])
NUMBER_WORDS = re.compile(
    rf"\b(?:an?\s+)?(?:{_WORD})(?:(?:\s+(?:and\s+)?(?:an?\s+)?|\s*-\s*)(?:{_WORD}))*\b", re.I
)


def from_words(text: str) -> str | None:
    """The canonical value of a number in words ("one hundred and fifty", "two and a half"), or None."""
    total, current, seen = Fraction(0), Fraction(0), False
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in ("and", "a", "an"):
            continue
        if word in _PARTS:
            if not seen or current == 0 or word in ("half", "quarter", "third") and " and " in text.lower():
                current += Fraction(1, _PARTS[word])
            else:
                current /= _PARTS[word]
        elif word in _SCALES:
            current = (current or Fraction(1)) * _SCALES[word]
            if _SCALES[word] > 100:
                total, current = total + current, Fraction(0)
        elif word in _WORDS:
            if seen and current and (current % 10 or _WORDS[word] >= 10) and current % 100:
                return None
            current += _WORDS[word]
        else:
            return None
        seen = True
    return canonical(total + current) if seen else None
