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
from fractions import Fraction
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from scripts.lib.errors import UserError
from scripts.lib.tasks.base import Answer, Task
from scripts.lib.tasks.reading.phrases import DENIED, NOTHING, SEVERAL, Stated, leading
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
_WORDS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
"""Prose: letters that are no LaTeX command ("eggs"); a function's name counts, too, unless a backslash stands
before it."""
_NAMES = re.compile(r"\\(?:text|mathrm|textbf|mbox|begin|end)\s?\{[^{}]*\}")
"""Words that belong to a formula: \\text{Monday}, \\begin{pmatrix}."""


@cache
def _math_verify() -> ModuleType:
    """The library, imported by the first answer that needs it: SymPy takes half a second."""
    import math_verify

    return math_verify


class Overtime(BaseException):
    """A formula takes too long. No Exception: Math-Verify and SymPy catch those."""


@contextmanager
def _limited() -> Iterator[None]:
    """Raise Overtime after SECONDS of this process."""

    def stop(*_: object) -> None:
        raise Overtime

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@lru_cache(maxsize=10_000)
def _parse(latex: str) -> list:
    """What Math-Verify makes of a formula: the expression, if it is one, and its LaTeX, normalised."""
    library = _math_verify()
    extraction = [library.LatexExtractionConfig(), library.ExprExtractionConfig()]
    try:
        with _limited():
            return library.parse(f"${latex}$", extraction, parsing_timeout=WALL)
    except Overtime:
        return []


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
    if not _WORDS.search(_NAMES.sub("", words)):
        return _formula(words)
    if hedges(words):
        return DENIED
    number, word = leading(plain(words)), words.strip(" .")
    return number if number != NOTHING or " " in word else _formula(rf"\text{{{word}}}")


def _state_alone(words: str) -> Stated:
    """What a response that marks no answer states: itself, when it is nothing but a formula."""
    bare = words.strip(" .")
    return _state(bare) if _FORMULA.fullmatch(bare) or not _WORDS.search(_NAMES.sub("", bare)) else NOTHING


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
