"""Reading a number out of a response: gsm8k, and gsm_plus, where "it cannot be determined" is an answer too.

Explicit statements are `#### X`, `\\boxed{X}`, "the answer is X", "Answer: X", `"answer": "X"`. A response without one
states its answer when it ends in a conclusion: a last line that is only a number or an equation, or a last sentence
that concludes ("Therefore, she makes $18.") or repeats the result computed just before. There is no guess beyond that.
"""

import re

from scripts.lib.answers.answer import Answer
from scripts.lib.answers.quantity import NUMBER_WORDS, Quantity, from_words, quantities
from scripts.lib.answers.text import end_of_response, first_sentence, hedges, plain, sentences

WINDOW = 400
"""Characters after a marker in which its answer must stand."""
TAIL = 3000
"""Characters at the end in which a conclusion, and the result it repeats, are looked for."""
MARKERS_READ = 32
"""Explicit statements looked at, from the last backwards."""

_MARKER = re.compile(
    r"(?P<hash>####+)"
    r"|\\boxed\s?\{(?P<box>)"
    r"|[\"'](?:final[_ ]?|correct[_ ]?)?(?:answer|result)[\"']\s{0,4}:(?P<json>)"
    r"|\b(?:answers?|result|ans)(?:\s?\([^()\n]{0,40}\)|\s(?:to|for|of|in)\s[^.\n:=?!]{0,60}?"
    r"|,?\s(?:therefore|thus|then|so|here|we get|I get),?)?[*_]{0,3}\s?"
    r"(?:(?:would|should|must|will|could)\sbe\b|\bis\b|\bwas\b|\bequals\b|=|:)(?P<phrase>)"
    r"|(?:^|\n)[ \t>*_#]{0,6}(?:A|Ans|(?:final|the)\s(?:answer|result))[*_]{0,3}\s?(?:[:.=]|\n)(?P<label>)",
    re.I,
)
_INVERSE = re.compile(r"\bis\s(?:the|our|your|my)\s(?:final\s|correct\s)?answer\b", re.I)
_UNSURE = re.compile(
    r"\b(?:if|whether|suppose|assuming|assume|unless|what|say)\s(?:that\s)?(?:the|your|our|my|an?)?\s?(?:\w+\s)?$",
    re.I,
)
_NOTHING = re.compile(
    r"[\s\"'(\[]*(?:none\b(?! of)|n/?a\b|null\b|unknown\b|undefined\b|undetermined\b|indeterminate\b|nan\b|not?\s(?:answer|solution)\b)",
    re.I,
)
_RANGE = re.compile(
    r"\s?(?:[-~]|to|or|and|through|,|,\sor|,\sand|and/or|/)\s?(?:about\s|approximately\s|even\s)?(?=[-$\u20ac\u00a3.\d])",
    re.I,
)
_LEAD = re.compile(
    r"(?:[\s\"'(\[{:=~>*_|-]|(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly|just|only|simply|now|thus|"
    r"therefore|also|still|a\stotal\sof|the\snumber|equal\sto|indeed|that|at\s(?:least|most)|[a-z]\s?=)(?=[\s:,])|,)*",
    re.I,
)
_VARIABLE = re.compile(
    r"\s?\*?\s?(?:[a-zA-Z](?![a-zA-Z'])(?!\.\s?[a-z])|\([a-zA-Z]\)|\^)|\s?[-+*]\s?\(?\d*[a-zA-Z](?![a-zA-Z])"
)
_OPERATION = re.compile(r"\s?(?:[-+*x]|/)\s?\(?(?=[-$\u20ac\u00a3.\d])")
_CLAUSE = re.compile(r"\b(?:because|since|as|so|which|where|from|after|if|when)\b|[(;]", re.I)
_SECOND_UNIT = re.compile(r"\s?(?:[a-zA-Z]+\s){1,2}(?:and\s)?(?=\d)|\s?(?:and)\s(?=\d)")
_MONEY = re.compile(
    r"\s?(?:dollars?|pounds?|euros?|bucks)\s(?:and\s)?(\d{1,2})\s(?:cents?|pence|pennies)\b", re.I
)
_CLOCK = re.compile(
    r"\s?(hours?|hrs?|minutes?|mins?)[\s,]{1,2}(?:and\s)?(\d{1,2})\s?(?:minutes?|mins?|seconds?|secs?)\b",
    re.I,
)
_CONCLUDES = re.compile(
    r"(?:[\s\"'*#>_-]|and\s)*(?:therefore|thus|so|hence|consequently|accordingly|overall|altogether|in\stotal|in\sall|"
    r"in\sconclusion|to\sconclude|in\ssummary|finally|as\sa\sresult|this\smeans|that\smeans|this\sis|that\sis|that's|"
    r"which\smeans|ultimately|(?:grand\s|final\s)?total\b|(?:final\s)?(?:result|answer|conclusion)\b|it\sfollows|"
    r"we\s(?:conclude|find|get|have)|\u2234|=>)",
    re.I,
)
_STEP = re.compile(
    r"(?:[\s\"'*#>_-]|\d{1,2}[.)]\s)*(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|next|then|now|step\b|let(?:'s|\sus|\sme)?\b|to\s(?:find|get|"
    r"calculate|solve|determine|figure|do|answer)|we\s(?:need|know|can|are|must|first|will)|since|if|given|from\s|on\sthe|suppose|"
    r"assum|for\sthe|note\b|remember|here|according|how|what|based)\b",
    re.I,
)
_MODIFIER = re.compile(
    r"(?:\b(?:the|all|each|every|these|those|for|in|after|over|of|per|with|from|at|by|within|during|first|last|next|other|"
    r"on|than|day|week|month|year|step|number|question|page|age|to|between|against|when|using|both|if)|#)\s?(?:[$]\s?)?$",
    re.I,
)
_CUT_OFF = re.compile(r"[.!?)\]\"'}$%\u3002]\s*$")


class _Stated:
    """What one passage states: a value, nothing, several things, or that there is no answer."""

    def __init__(self, value: str | None = None, ambiguous: bool = False, denied: bool = False):
        self.value, self.ambiguous, self.denied = value, ambiguous, denied


_SILENT = _Stated()
_SEVERAL = _Stated(ambiguous=True)
_DENIED = _Stated(denied=True)


def _at(text: str, number: Quantity) -> _Stated:
    """The value of a number that opens a phrase, unless what follows makes it part of something else."""
    rest = text[number.end : number.end + 60]
    if match := _MONEY.match(rest):
        return _combined(number, match[1], 100)
    if match := _CLOCK.match(rest):
        return _combined(number, match[2], 60)
    if _VARIABLE.match(rest) or _RANGE.match(rest) or _OPERATION.match(rest) or _SECOND_UNIT.match(rest):
        return _SEVERAL
    return _Stated(number.value)


def _combined(number: Quantity, part: str, base: int) -> _Stated:
    from fractions import Fraction

    from scripts.lib.answers.quantity import canonical, rational

    whole = rational(number.value)
    return _SEVERAL if whole is None else _Stated(canonical(whole + Fraction(int(part), base)))


def _sides(text: str) -> list[str]:
    return re.split(r"(?<![<>!=])=(?![=<>])", text)


def _leading(text: str) -> _Stated:
    """The number a phrase opens with ("about $18 per day"), or the last finished side of an equation it opens with."""
    sides = _sides(text)
    if len(sides) > 1 and not _CLAUSE.search(sides[0]):
        for side in reversed(sides):
            stated = _opening(side)
            if stated.value is not None:
                return stated
        return _SEVERAL if any(quantities(side) for side in sides) else _SILENT
    return _opening(text)


def _opening(text: str) -> _Stated:
    lead = _LEAD.match(text).end()
    while lead and text[lead - 1 : lead + 1].strip() and text[lead - 1] in "-~":
        lead -= 1
    rest = re.sub(r"^-\s+(?=[$\d.])", "-", text[lead:])
    if re.match(r"between\b", rest, re.I):
        return _SEVERAL
    found = quantities(rest[:160])
    if found and found[0].start == 0:
        return _at(rest, found[0])
    word = NUMBER_WORDS.match(rest)
    if (
        word
        and (value := from_words(word[0])) is not None
        and not re.match(r"\s(?:of the|of these|more|who|that)\b", rest[word.end() :])
    ):
        return _Stated(value)
    return _SILENT


def _in_sentence(text: str, result: str | None, lenient: bool) -> _Stated:
    """The number a concluding sentence states.

    The right-hand side of its equation; else its only number; else the one that repeats the `result` computed just
    before; else the only amount of money, or the only number that does not qualify something else ("the 16 glasses").
    """
    sides = _sides(text)
    if len(sides) > 1:
        for side in reversed(sides[1:]):
            stated = _opening(side)
            if stated.value is not None or quantities(side[:40]):
                return stated
    found = quantities(text)
    if not found:
        word = NUMBER_WORDS.search(text) if lenient else None
        value = from_words(word[0]) if word else None
        return (
            _Stated(value)
            if value is not None and not re.match(r"\s*(?:one|a|an|second|third)\b", word[0], re.I)
            else _SILENT
        )
    values = {number.value for number in found}
    if len(values) == 1:
        return _at(text, found[-1])
    if re.search(r"\bbetween\b[^.]{0,40}\band\b", text):
        return _SEVERAL
    if result in values:
        return _at(text, next(number for number in reversed(found) if number.value == result))
    for keep in (
        lambda number: number.currency,
        lambda number: not _MODIFIER.search(text[max(0, number.start - 20) : number.start]),
    ):
        chosen = [number for number in found if keep(number)]
        if len({number.value for number in chosen}) == 1:
            return _at(text, chosen[-1])
    return _SEVERAL


def _last_result(text: str) -> str | None:
    """The right-hand side of the last equation of a passage."""
    for side in reversed(_sides(text)[1:][-4:]):
        found = quantities(side[:60])
        if found and _LEAD.match(side).end() >= found[0].start:
            return found[0].value
    return None


def _conclusion(text: str, lenient: bool = False) -> _Stated:
    """What the end of a plain passage concludes; `lenient` when the passage is known to be the answer."""
    lines = [line for line in text[-TAIL:].splitlines() if line.strip(" \t`*_{}[]#\"'-=,")]
    if not lines:
        return _SILENT
    last = sentences(lines[-1].strip().strip('`"{}'))
    if not last:
        return _SILENT
    sentence = last[-1]
    before = "\n".join(lines[:-1] + last[:-1])
    if hedges(sentence):
        return _DENIED
    stripped = sentence.strip(" .*_$\"'")
    if quantities(stripped) and re.fullmatch(
        r"[-$\u20ac\u00a3\d.,/%: ]+(?:[a-zA-Z]{1,12}\.?){0,1}", stripped
    ):
        return _leading(stripped)
    finished = bool(_CUT_OFF.search(sentence))
    result = _last_result(before)
    if lenient:
        stated = _leading(sentence)
        return stated if stated is not _SILENT else _in_sentence(sentence, result, True)
    if sentence.endswith((":", "?", ",")):
        return _SILENT
    if _CONCLUDES.match(sentence) and (finished or len(last) == 1):
        return _in_sentence(sentence, result, False)
    if _STEP.match(sentence):
        return _SILENT
    if len(_sides(sentence)) > 1 and (finished or len(last) == 1):
        return _in_sentence(sentence, result, False)
    if result is not None and finished and result in {number.value for number in quantities(sentence)}:
        return _Stated(result)
    return _SILENT


def _payload(text: str, match: re.Match, end: int) -> tuple[_Stated, int]:
    """What the marker `match` states, and where its statement ends."""
    start = match.end()
    kind = match.lastgroup
    window = text[start : min(end, start + WINDOW)]
    if kind == "box":
        stop = _closing_brace(window)
        content = plain(window[:stop])
        if hedges(content) or _NOTHING.match(content):
            return _DENIED, start + stop
        return _leading(content), start + stop
    if kind == "json":
        content, stop = _json_value(text, start, end)
        content = plain(content)
        if hedges(content) or _NOTHING.match(content):
            return _DENIED, stop
        lines = [line for line in content.splitlines() if line.strip()] or [""]
        if len(_sides(lines[-1])) > 1:
            return _in_sentence(lines[-1], None, True), stop
        stated = _leading(lines[0]) if len(lines) == 1 else _SILENT
        return (stated if stated is not _SILENT else _conclusion(content, lenient=True)), stop
    window = plain(window)
    if kind == "hash":
        line = window.split("\n", 1)[0]
        if _NOTHING.match(line) or hedges(line):
            return _DENIED, start + len(line)
        return _leading(line), min(end, start + len(line))
    sentence = first_sentence(window.lstrip(" \t\n:*_$[({\"'") if kind != "hash" else window)
    stop = min(end, start + len(sentence) + len(window) - len(window.lstrip()))
    if _NOTHING.match(sentence) or hedges(sentence):
        return _DENIED, stop
    lead = window[: len(window) - len(window.lstrip(" \t\n:*_[({\"'"))]
    stated = _leading(sentence)
    if stated is not _SILENT:
        if lead.endswith("-") and stated.value:
            return _SEVERAL, stop
        return stated, stop
    if re.match(r"(?:that\b|given by|found by|calculated|obtained)", sentence, re.I) or not text[
        stop:end
    ].strip(" \n.*_$\"'"):
        return _in_sentence(
            sentence, _last_result(plain(text[max(0, match.start() - 300) : match.start()])), True
        ), stop
    return _SILENT, stop


def _closing_brace(window: str) -> int:
    depth = 1
    for index, character in enumerate(window):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return index
    return len(window)


_JSON_STRING = re.compile(r'\s{0,20}"((?:[^"\\]|\\.){0,2000})("|$)', re.S)
_JSON_SCALAR = re.compile(r"[^,}\n]{0,200}")


def _json_value(text: str, start: int, end: int) -> tuple[str, int]:
    if match := _JSON_STRING.match(text, start, end):
        return re.sub(r'\\(["/])', r"\1", match[1].replace("\\n", "\n")), match.end()
    match = _JSON_SCALAR.match(text, start, end)
    return match[0], match.end()


def read_number(text: str, finish_reason: str = "stop", abstain: str | None = None) -> Answer:
    """The number that a response states last.

    `abstain`: the value given for "it cannot be determined" and the like ("None" for gsm_plus, where that is a correct
    answer); without it such a response has no answer.
    """
    end, ran_on = end_of_response(text)
    cut_off = finish_reason in ("length", "content_filter") and not ran_on
    markers = list(_MARKER.finditer(text, 0, end))[-MARKERS_READ:]
    stated, span, stop = _SILENT, None, 0
    for match in reversed(markers):
        if match.lastgroup == "phrase" and _UNSURE.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        found, after = _payload(text, match, end)
        if found is not _SILENT:
            stated, span, stop = found, (match.start(), after), after
            break
    if span and cut_off and stop >= len(text.rstrip()) and text[-1:].isalnum():
        return Answer(None, "truncated")
    tail = text[max(stop, end - TAIL) : end]
    for match in _INVERSE.finditer(tail[-TAIL:]):
        found = quantities(plain(tail[max(0, match.start() - 60) : match.start()]))
        if found:
            stated = _Stated(found[-1].value)
            span = (end - len(tail) + max(0, match.start() - 60), end - len(tail) + match.end())
    if not cut_off and tail.strip():
        ending = _conclusion(plain(text[max(0, end - TAIL) : end])) if not span else _overruling(plain(tail))
        if ending is not _SILENT:
            stated, span = ending, (end - len(tail), end)
    if stated.value is not None:
        return Answer(stated.value, "ok", span)
    if stated.denied:
        return Answer(abstain, "ok", span) if abstain else Answer(None, "none", span)
    if cut_off and not span:
        return Answer(None, "truncated")
    return Answer(None, "ambiguous" if stated.ambiguous else "none", span)


def _overruling(tail: str) -> _Stated:
    """A conclusion after an explicit statement: only one that says so counts, or one that takes the answer back."""
    ending = _conclusion(tail)
    lines = [line for line in tail.splitlines() if line.strip()]
    last = sentences(lines[-1])[-1] if lines and sentences(lines[-1]) else ""
    if ending.denied or (ending.value is not None and _CONCLUDES.match(last)):
        return ending
    return _SILENT
