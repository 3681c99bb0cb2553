"""LaTeX answers: `math` (MATH-500 and its kin), compared by the Math-Verify library.

Canonical: a rational number as in `numeric`, anything else in LaTeX as Math-Verify normalises it.
Two texts are the same answer when Math-Verify finds their expressions equal, taken either way:
(x+1)^2 and x^2+2x+1, \\sqrt{12} and 2\\sqrt{3}, {1,2} and {2,1}. Expressions are given up after seconds of
the processor, so that a busy machine reads as a quiet one; what cannot be compared in time differs.
"""

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from scripts.lib.errors import UserError
from scripts.lib.tasks.base import Answer, Task
from scripts.lib.tasks.reading.phrases import DENIED, NOTHING, SEVERAL, Stated, leading, sides
from scripts.lib.tasks.reading.quantity import canonical
from scripts.lib.tasks.reading.statements import stated
from scripts.lib.tasks.reading.text import hedges, plain

LONGEST = 300
"""Characters of an answer's LaTeX; longer ones are a model's loop, or a derivation."""
BITS = 1024
"""Of a rational number; a larger one is compared as a formula."""
SECONDS = 3
"""Of the processor, for which an expression is parsed, and two are compared."""
WALL = 3600
"""Math-Verify's own limit, which is of the clock: never reached."""

_FORMULA = re.compile(
    r"""
    \$\$ (?P<display>.+?) \$\$          # $$x + 1$$
    | \$ (?P<inline>(?=\S)[^$]+(?<=\S)) \$(?!\d)   # $x + 1$, but not "$5 and $6"
    | \\\( (?P<round>.+?) \\\)          # \(x + 1\)
    | \\\[ (?P<square>.+?) \\\]         # \[x + 1\]
    """,
    re.X | re.S,
)
_LETTERS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
"""A run of letters that is no LaTeX command: a word ("eggs") or a product (xy)."""
_NAMES = re.compile(
    r"\\(?:text(?:bf|it|rm|normal)?|math(?:rm|bf|it|sf)|operatorname|mbox|begin|end)\s?\{[^{}]*\}|_\{[a-zA-Z]+\}"
)
"""Words that belong to a formula: \\text{Monday}, \\begin{pmatrix}, the name in v_{mean}."""
_FUNCTION = re.compile(r"(?<![\\a-zA-Z])(?=(?:sqrt|sin|cos|tan|ln|log|pi)(?![a-zA-Z]))")
"""Where a backslash is left out: 2pi, 3 ln 2."""
_UNIT = re.compile(
    r"(?<=[\d})])(?:\s|\\[ ,;:!]|~)*(?:(?:sq|square|cu|cubic)\.?\s)?"
    r"(?:[mckn]m|in|ft|yd|[mk]g|lbs?|oz|m[lL]|hrs?|min|sec|mph)\.?(?:\s?\^\s?\{?[23]\}?)?$"
)
"""What a number, or a root or fraction, is of: 12cm, 2\\sqrt{3} ft^2."""
_PRODUCT = (
    r"(?:[a-d]{2,}|[mn]{2,}|[p-s]{2,}|[x-z]{2,}|[A-Z]{2,4}|(?!oz)(?:[a-z][xzq]|[xzq][a-z]))(?![a-zA-Z])"
)
"""Letters that are hardly a word: xy, ab, kx, PQ."""
_PRODUCTS = re.compile(_PRODUCT)

_OPERATOR = r"(?:[-+*/=<>^_]|\\(?:cdot|times|div|pm|le|ge|leq|geq|neq|ne)(?![a-zA-Z]))"
_BEFORE, _AFTER = re.compile(_OPERATOR + r"\s*$"), re.compile(r"\s*" + _OPERATOR)
_PART = re.compile(
    rf"\s?{_PRODUCT}|[^.,;:=]*?(?:[+*^]|\s-\s)\s?(?:\d|\\|\(|[b-zB-HJ-Z](?![a-zA-Z])|{_PRODUCT})"
)
"""Behind a number: it is a part of something that is not said to be its value."""
_ANOTHER = re.compile(r"=[^=]*\b(?:or|and)\s[a-zA-Z]\s?=")
"""x = 1 or x = 2."""
_NO_UNIT = re.compile(rf"(?:{_OPERATOR}\s*[a-zA-Z]+|(?:^|[^a-zA-Z])(?:[cdot]|ab|bc))$")
"""At the end of a formula: letters that are no unit, though Math-Verify's list of units has them."""


@cache
def _math_verify() -> ModuleType:
    """The library, imported by the first answer that needs it: SymPy takes half a second."""
    import math_verify

    return math_verify


class Overtime(BaseException):
    """A formula takes too long. No Exception: Math-Verify and SymPy catch those."""


@contextmanager
def _limited() -> Iterator[None]:
    """Raise Overtime after SECONDS of this process, and again each time that as many have passed: one that
    falls into a finaliser, or a bare `except`, is lost."""
    left = False

    def stop(*_: object) -> None:
        if not left:
            raise Overtime

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS, SECONDS)
    try:
        try:
            yield
        finally:
            left = True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@lru_cache(maxsize=10_000)
def _parse(latex: str) -> list:
    """What Math-Verify makes of a formula: the expression, if it is one, and its LaTeX, normalised."""
    library = _math_verify()
    formula = library.LatexExtractionConfig()
    if _ends_in_variable(latex):
        formula = replace(formula, normalization_config=replace(formula.normalization_config, units=False))
    try:
        with _limited():
            return library.parse(
                f"${latex}$", [formula, library.ExprExtractionConfig()], parsing_timeout=WALL
            )
    except Overtime:
        return []


def _ends_in_variable(latex: str) -> bool:
    """Whether the last letters of a formula are no unit, which Math-Verify takes them for: ab + c, 7 ab,
    2\\pi r h."""
    side = _NAMES.sub("", latex).rsplit("=", 1)[-1].rstrip()
    letters = re.findall(r"(?<![\\a-zA-Z])[a-zA-Z]+", side)
    return bool(_NO_UNIT.search(side)) or (
        len(letters) > 1 and re.search(r"(?<![a-zA-Z])[a-zA-Z]$", side) is not None
    )


def _rational(expression: Any) -> Fraction | None:
    """The number of an expression that is one without being simplified: 0.5, \\frac{1}{2}, 1{,}000; None of
    one that no text holds (\\binom{100000}{50000})."""
    if not getattr(expression, "is_Rational", False):
        return None
    number = Fraction(int(expression.p), int(expression.q))
    return number if max(abs(number.numerator), number.denominator).bit_length() <= BITS else None


def _canonical(latex: str) -> str | None:
    """The canonical text of a formula, None when Math-Verify can make nothing of it."""
    latex = latex.strip().strip("$").rstrip(".").strip()
    if not latex or len(latex) > LONGEST:
        return None
    parsed = _parse(latex)
    number = _rational(parsed[0]) if parsed else None
    if number is not None:
        return canonical(number)
    return parsed[-1] if len(parsed) > 1 else None


def _state(words: str) -> Stated:
    """What the words of a statement say: their first formula, or themselves when they are one, or a number in
    prose."""
    if formula := _FORMULA.search(words):
        return _formula(formula[formula.lastgroup or 0])
    latex = _FUNCTION.sub(r"\\", _UNIT.sub("", words.strip(" .")))
    if not _is_prose(latex):
        value = _formula(latex)
        if value.value is not None or not _LETTERS.search(_NAMES.sub("", latex)):
            return value
    if hedges(words):
        return DENIED
    number, word = leading(plain(words)), words.strip(" .")
    if number == NOTHING:
        return number if " " in word else _formula(rf"\text{{{word}}}")
    return SEVERAL if number.value is not None and _is_part(plain(words)) else number


def _is_prose(latex: str) -> bool:
    """Whether a word stands in it that is no product of letters and no name within a formula."""
    text = _NAMES.sub("", latex)
    runs = list(_LETTERS.finditer(text))
    if len(runs) == 1 and runs[0][0] == text:
        return text.isupper() or not _PRODUCTS.fullmatch(text)
    return any(_is_word(text, run) for run in runs)


def _is_word(text: str, run: re.Match[str]) -> bool:
    if _PRODUCTS.fullmatch(run[0]):
        return False
    before, after = text[: run.start()], text[run.end() :]
    apart = not before or before[-1].isspace()
    return len(run[0]) > 3 or (apart and not _BEFORE.search(before) and not _AFTER.match(after))


def _is_part(text: str) -> bool:
    """Whether the number that a passage opens with is a part of an expression, or one of several."""
    if _ANOTHER.search(text):
        return True
    side = sides(text)[-1]
    number = re.search(r"\d[\d.,/]*", side)
    return number is not None and _PART.match(side, number.end()) is not None


def _state_alone(words: str) -> Stated:
    """What a response that marks no answer states: itself, when it is nothing but a formula."""
    bare = words.strip(" .")
    alone = _FORMULA.fullmatch(bare) or not (_LETTERS.fullmatch(bare) or _is_prose(_UNIT.sub("", bare)))
    return _state(bare) if alone else NOTHING


def _formula(latex: str) -> Stated:
    value = _canonical(latex)
    if value is not None:
        return Stated(value)
    return SEVERAL if latex.strip() else NOTHING


def read_math(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
    """The formula that a response states last: `\\boxed{...}`, "the answer is $...$". What is no formula is
    ambiguous."""
    return stated(text, finish_reason, _state, alone=_state_alone)


def math_gold(gold: str) -> str:
    """The canonical text of a reference answer, a formula with or without `\\boxed{}`. Raises UserError when
    it is none."""
    boxed = read_math(gold) if "\\boxed" in gold or "\\fbox" in gold else None
    value = boxed.value if boxed else _state(gold).value
    if value is None:
        raise UserError(f"the reference answer {gold!r} is not a formula; golds of this task are LaTeX")
    return value


@lru_cache(maxsize=100_000)
def same_formula(first: str, second: str) -> bool:
    """Whether Math-Verify finds two canonical texts equal, the one or the other taken for the reference."""
    one, other = _parse(first), _parse(second)
    return _equal(one, other) or _equal(other, one)


def _equal(reference: list, other: list) -> bool:
    try:
        with _limited():
            return _math_verify().verify(reference, other, timeout_seconds=WALL)
    except Overtime:
        return False


MATH = Task("math", read_math, math_gold, same=same_formula)
