"""What the end of a response concludes when nothing marks its answer.

A last line that is only a number or an equation is a conclusion, and so is a last sentence that says it
concludes ("Therefore, she makes $18.") or that repeats the result computed just before. A step on the way
("First, ...", "1. ...", "So, if ...", "Let us ..."), a sentence or a JSON string that breaks off, and a loop
are not.
"""

import re

from scripts.lib.tasks.reading.phrases import (
    DENIED,
    NOTHING,
    SEVERAL,
    Stated,
    in_sentence,
    last_result,
    leading,
    restates,
    sides,
    signed,
)
from scripts.lib.tasks.reading.quantity import quantities, rational
from scripts.lib.tasks.reading.text import hedges, matched, plain, sentences

TAIL = 3000
"""Characters at the end in which a conclusion, and the result it repeats, are looked for."""

_BEHIND_A_WORD = re.compile(r"\b[a-z]+\s[-$\u20ac\u00a3]{0,2}\d")
SHORT = 200
"""Characters of a response that is one sentence."""

_STEP_VERB = r"(?:find|get|calculate|solve|determine|figure|do|answer|compute|convert|express)"
_CONCLUDES = re.compile(
    rf"""
    (?:[\s"'*\#>_|-]|and\s|step\s\d{{1,2}}\s?[:.)]\s)*                     # - and Step 3:
    (?:(?:therefore|thus|so|hence|consequently|accordingly|overall|altogether  # Therefore, she makes $18.
      |in\stotal|in\sall|in\sconclusion|to\sconclude|in\ssummary|finally|as\sa\sresult  # In total, 18.
      |this\smeans|that\smeans|this\sis(?!\sbecause)|that\sis|that's|which\smeans|ultimately  # That's $18.
      |(?:grand\s|final\s)?total\b|(?:final\s)?(?:result|answer|conclusion)\b  # Total: $18
      |it\sfollows|we\s(?:conclude|find|get|have)                          # We get 18.
      |all\stold|all\sin\sall|to\ssum\sup|the\s(?:grand\s|final\s|overall\s)?total\s(?:is|was|comes|amounts|equals)
      |\u2234|=>)                                                          # => 18
    (?!\s?,?\s(?:if|when|to\s{_STEP_VERB}                                  # but: So, if she makes; So to find
      |we\s(?:can|need\sto|must|multiply|add|subtract|divide)              # Therefore, we can
      |let|since|first|for)\b))                                            # So let x be
    """,
    re.I | re.X,
)
_STEP = re.compile(
    rf"""
    (?:[\s"'*\#>_-]|\d{{1,2}}[.)]\s|so,?\s|therefore,?\s|finally,?\s)*     # 2. So,
    (?:first(?:ly)?|second(?:ly)?|third(?:ly)?|next|then|now|step\b         # First, ...
      |let(?:'s|\sus|\sme)?\b                                               # Let's add
      |to\s{_STEP_VERB}                                                     # To find the total
      |we\s(?:need|know|can|are|must|first|will)                            # We need to
      |since|if|when|given|from\s|on\sthe|suppose|assum|for\sthe            # If she makes
      |note\b|remember|here|according|how|what|based)\b                     # Note that
    """,
    re.I | re.X,
)
_CONDITIONAL = re.compile(
    r"(?:(?:so|therefore|thus|hence),?\s)?(?:if|when|since|rounding|rounded)\b[^,]{1,200},", re.I
)
"""Steps, too, unless they come to the result that was just computed, or say that they conclude."""
_SUMS_UP = re.compile(
    r"\ba\s(?:\w{1,15}\s)?total\sof\s(?=[-$\d])|,?\s(?:in\sall|in\stotal|altogether|all\stold)\W*$", re.I
)
"""A sentence that says that what it states is all there is."""
_HENCE = re.compile(
    r"[,;]\s(?:and\s)?(?:so|thus|therefore|hence|making|which\smakes|meaning)\s(?:that\s)?"
    r"(?=(?:(?:the|his|her|their|its|my|our|your)\s)?(?:\w{1,15}\s){0,1}?(?:total|final|overall|answer|result|sum)\b)",
    re.I,
)
"""Within a sentence: "..., so the total cost is $29."."""
_ASIDE = re.compile(
    r"\b(?:check|verif|confirm|note|double-check|sanity|alternativ|for example|for instance|in other words"
    r"|another|bonus|extra|PS)",
    re.I,
)
_FAREWELL = re.compile(
    r"[\s*_#-]*(?:let me know|i hope|hope this|hope that|would you like|do you (?:want|have)|feel free"
    r"|please (?:let|feel|note)|"
    r"if you (?:have|want|need|would|'d)|is there|thank|good luck|have a)\b",
    re.I,
)
_ITEM = re.compile(r"(\d{1,2})[.)]\s+(?=\D)")
_BULLET = re.compile(r"[ \t]*[-*\u2022]\s+")
_TOTAL = re.compile(r"\b(?:total|sum|overall|altogether|in all|all told)\b", re.I)
_PROSE = re.compile(r"(?:[^=A-Za-z]*[A-Za-z]+(?![A-Za-z])){3}")
_FINISHED = re.compile(r"[.!?)\]\"'}$%]\s*$")
_BREAKS_OFF = re.compile(
    r"(?:\b(?:an?|the|of|for|to|is|are|was|and|or|with|in|by|per|so|at|from|on|he|she|it|they|will|that"
    r"|which|be|each|if|as|has|have|can)"
    r"|[-+*/=,:(<?])\s*$",
    re.I,
)
_BARE = re.compile(r"[-$\u20ac\u00a3\d.,/%: ]+(?:[a-zA-Z]{1,12}\.?)?")
_ANNOTATED = re.compile(r"=\s?([\d.,]{1,40})>>\s?\$?([\d.,]{0,40})$")


def loops(text: str) -> bool:
    """Whether the text ends in a passage that it says three times on end: nothing concludes there."""
    tail = text[-1200:].rstrip()
    period = len(tail) - 24 - tail.rfind(tail[-24:], 0, -1)
    passage = tail[-period:]
    return len(tail) >= max(100, 3 * period) and tail.endswith(3 * passage)


def breaks_off(text: str) -> bool:
    """Whether the text stops in the middle of a sentence or a calculation."""
    text, longer = text[-400:], ""
    while text != longer:
        longer, text = text, text.rstrip().rstrip("`_").removesuffix("**")
    annotated = _ANNOTATED.search(text[-120:])
    if annotated and annotated[1].strip(".,").removesuffix(".0") != annotated[2].replace(",", "").strip(
        ".,"
    ).removesuffix(".0"):
        return True
    return _BREAKS_OFF.search(text[-40:]) is not None or text.rfind("<<") > text.rfind(">>")


_JSON_OPENS = re.compile(r"[\"']\w{1,20}[\"']\s{0,4}:\s{0,4}\"")


def unclosed(text: str) -> bool:
    """Whether the text stops within a JSON string: the last value that it opens has no closing quote."""
    ends = [opening.end() for opening in _JSON_OPENS.finditer(text)] if '"' in text else []
    return bool(ends) and '"' not in text[ends[-1] :].replace('\\"', "")


def without_bullet(line: str) -> str:
    """A line without the sign that makes it an item of a list, which is no minus: "- 18 eggs"."""
    return line[matched(_BULLET, line) :]


def one_of_several(item: str, other: str) -> bool:
    """Whether an item of a list is one amount beside another, and not their total: "- 5 boys"."""
    if not _BULLET.match(item) or not _BULLET.match(other) or _TOTAL.search(item):
        return False
    texts = without_bullet(item), without_bullet(other)
    values = {leading(text).value for text in texts if len(sides(text)) == 1}
    return len(values) == 2 and None not in values


def conclusion(raw: str, lenient: bool = False, behind: bool = False) -> Stated:
    """What the end of a passage, given with its markup, concludes; `lenient` when the passage is known to be
    an answer, `behind` when it stands behind one."""
    raw = raw[-TAIL:]
    if not lenient and (loops(raw) or breaks_off(raw) or unclosed(raw)):
        return NOTHING
    lines = [line.strip().strip('`"{}') for line in plain(raw).splitlines()]
    lines = [line for line in lines if line.strip(" \t*_[]#\"'-=,") and not _FAREWELL.match(line)]
    item = _ITEM.match(lines[-1]) if lines else None
    if not lines or (item and item[1] == "1" and not lenient):
        return NOTHING
    listed = len(lines) > 1 or behind
    ending = without_bullet(lines[-1]) if listed else lines[-1]
    last = sentences(ending[item.end() :] if item else ending)
    while len(last) > 1 and _FAREWELL.match(last[-1]):
        last.pop()
    sentence, before = signed(last[-1]), "\n".join(lines[:-1] + last[:-1])
    if hedges(sentence):
        return DENIED
    bare = sentence.strip(" .*_$\"'")
    if _BARE.fullmatch(bare) and len(last) == 1 and quantities(bare):
        return SEVERAL if len(lines) > 1 and one_of_several(*lines[:-3:-1]) else leading(bare)
    result = last_result(before)
    if lenient:
        stated = leading(sentence)
        return stated if stated != NOTHING else in_sentence(sentence, result, True)
    finished = _FINISHED.search(sentence) is not None or (len(last) == 1 and not _unlike(lines))
    if not finished or sentence.endswith("?"):
        return NOTHING
    if _CONCLUDES.match(sentence):
        return in_sentence(sentence, result, False)
    if condition := _CONDITIONAL.match(sentence):
        if restates(sentence[condition.end() :], result):
            return Stated(result)
        computes = result is not None and len(sides(sentence)) > 1
        concludes = computes and re.match(r"therefore|thus|hence", sentence, re.I)
        return in_sentence(sentence, result, False) if concludes else NOTHING
    if _STEP.match(sentence):
        return NOTHING
    if len(sides(sentence)) > 1 and len(last) == 1:
        return in_sentence(sentence, result, False)
    if hence := _HENCE.search(sentence):
        return in_sentence(sentence[hence.end() :], result, False)
    if _SUMS_UP.search(sentence):
        return in_sentence(sentence, result, False)
    return Stated(result) if restates(sentence, result) else NOTHING


def _unlike(lines: list[str]) -> bool:
    """Whether the last line, in words, lacks the full stop that most of the lines in words before it have."""
    prose = [_FINISHED.search(line) is not None for line in lines if _PROSE.match(line)]
    return (
        len(prose) > 2 and _PROSE.match(lines[-1]) is not None and 3 * sum(prose[:-1]) >= 2 * len(prose[:-1])
    )


def opening_number(raw: str) -> Stated:
    """The number that stands alone on the first line of a longer text ("18\\n\\nExplanation: ...")."""
    first = plain(raw.lstrip()[:80]).split("\n", 1)[0].strip(" .*_$")
    if not _BARE.fullmatch(first) or not quantities(first):
        return NOTHING
    return SEVERAL if _BULLET.match(first) else leading(first)


def sole_statement(raw: str) -> Stated:
    """What a response that is one short sentence states: its only number, behind a word that is no name
    ("There are 42 seats left.", but not "Way 3: we count."), or its last, where that is what the two others
    make ("She sells 7 eggs at $2 each and makes $14.")."""
    raw = raw.strip()
    if len(raw) >= SHORT:
        return NOTHING
    text = signed(plain(raw).strip())
    alone = len(sentences(text)) == 1 and text.endswith((".", "!"))
    found = [number.value for number in quantities(text)] if alone else []
    step = _STEP.match(text) or _CONDITIONAL.match(text)
    if not found or step or hedges(text) or re.search(r"\bnot\b|n't\b", text):
        return NOTHING
    value = found[-1]
    if len(set(found)) == 1:
        return Stated(value) if restates(text, value) and _BEHIND_A_WORD.search(text) else NOTHING
    return Stated(value) if len(found) == 3 and _make(*found) else NOTHING


def _make(one: str, other: str, result: str) -> bool:
    """Whether the third number is the sum, the difference, the product or the quotient of two, all unlike."""
    a, b, c = (rational(number) for number in (one, other, result))
    if a is None or b is None or c is None or len({a, b, c}) < 3:
        return False
    return c in (a + b, a - b, b - a, a * b) or c * b == a or c * a == b


def overruling(raw: str) -> Stated:
    """A conclusion after an explicit statement: a working that ends in another result, or one that takes it
    back.

    A check of the answer, a note or an aside is no conclusion.
    """
    raw = "\n".join(line for line in raw.splitlines() if not _FAREWELL.match(line))
    return NOTHING if _ASIDE.search(raw) else conclusion(raw, behind=True)
