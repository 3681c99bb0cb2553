"""Numbers: `numeric` (GSM8K and its kin), and `gsm_plus`, where "it cannot be determined" is an answer too.

Explicit statements are `#### X`, `\\boxed{X}`, "the answer is X", "X is the answer", "Answer: X", `"answer":
"X"`; the last one that says something wins. A response without one states its answer when it ends in a
conclusion (conclusions.py). There is no guess beyond that, and a program, which computes its answer,
states none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from scripts.lib.errors import UserError
from scripts.lib.tasks.base import Answer, Task
from scripts.lib.tasks.filters import Filter, Harness
from scripts.lib.tasks.reading.conclusions import (
    TAIL,
    conclusion,
    one_of_several,
    opening_number,
    overruling,
    sole_statement,
    without_bullet,
)
from scripts.lib.tasks.reading.phrases import (
    DENIED,
    NOTHING,
    SEVERAL,
    Stated,
    in_sentence,
    last_result,
    leading,
    sides,
    signed,
)
from scripts.lib.tasks.reading.quantity import quantities, rational
from scripts.lib.tasks.reading.retraction import said_instead
from scripts.lib.tasks.reading.text import (
    REACH,
    Words,
    closing_brace,
    end_of_response,
    factorials,
    hedges,
    in_english,
    is_program,
    json_value,
    matched,
    plain,
    sentence_end,
    statements,
)

if TYPE_CHECKING:
    import polars as pl

WINDOW = 400
"""Characters after a marker in which its answer must stand."""
ABSTAINS = "None"
"""What a response that says that there is no answer states, where that can be right."""
MARKERS_READ = 32
"""Explicit statements looked at, from the last backwards."""

_MARKER = re.compile(
    r"""
      (?P<hash>\#\#\#\#+)                                                      # #### 18
    | \\(?:boxed|fbox)\s?\{(?P<box>)                                           # \boxed{18}
    | <(?:final_)?answer>(?P<tag>)                                             # <answer>18</answer>
    | ["'](?:final[_ ]?|correct[_ ]?)?(?:answer|result)["']\s{0,4}:(?P<json>)  # "answer": "18"
    | \b(?:answers?|result|ans)
      (?:\s?\([^()\n]{0,40}\)                                                  # The answer (in $) is 18
        |\s(?:to|for|of|in)\s[^.\n:=?!]{0,60}?                                 # The answer to this is 18
        |,?\s(?:therefore|thus|then|so|here                                    # The answer, then, is 18
          |(?:we|I)\s(?:get|got|find|found|have|obtain)),?)?                   # The answer we get is 18
      [*_]{0,3}\s?
      (?:(?:would|should|must|will|could)\sbe\b|\bis\b|\bwas\b|\bequals\b|\bcomes\s(?:out\s)?to\b|=|:)
      (?P<phrase>)                                                             # Answer: 18
    | \b(?:answer\sof|solution\sis)\s(?=[-$\d*\\])(?P<amount>)                 # an answer of 18
    | (?:^|\n)[ \t>*_\#]{0,6}(?:A|Ans|(?:final|the)\s(?:answer|result))[*_]{0,3}\s?
      (?:[:.=]|\n)(?P<label>)                                                  # A: 18
    | \bis\s(?:the|our|your|my)\s(?:final\s|correct\s)?answer\b(?P<inverse>)   # 18 is the answer
    """,
    re.I | re.X,
)
_GIVEN_AWAY = Words(
    ("answer", "result", "####", "boxed", "fbox", "solution"),
    re.compile(r"a(?:ns(?![a-z])|(?<=[\n \t>*_#]a)[*_]{0,3}\s?[:.=\n])"),
)
_UNSURE = re.compile(
    r"\b(?:if|whether|suppose|assuming|assume|unless|what|say)\s(?:that\s)?(?:the|your|our|my"
    r"|an?)?\s?(?:\w{1,20}\s)?$",
    re.I,
)
_NO_ANSWER = re.compile(
    r"[\s\"'(\[]*(?:none\b(?! of)|n/?a\b|null\b|unknown\b|undefined\b|undetermined\b|indeterminate\b|nan\b"
    r"|not?\s(?:valid\s)?(?:answer|solution)\b)",
    re.I,
)
_DENIAL = re.compile(
    r"not\b(?!\s(?:enough|sufficient|possible|known|given|determin|specified))(?:.{0,80}?\bbut\b)?", re.I
)
_ABOUT = re.compile(r"(?:given|expressed|written|measured|reported|stated|based|required)\b[^\d\n]*$", re.I)
"""A remark about the answer ("the answer is given in hours, since ..."), not the answer."""
_STRUCTURE = re.compile(r"(?:json|python)?\s*(?:[{\[]\s*)?[\"']?\w+[\"']\s?:")
_HEADING = re.compile(r"\s*(?:step\s)?\d{1,2}[.):]\s+[A-Z]", re.I)
"""A Markdown heading on the way ("#### 2. Find the total")."""
_OPENING = re.compile(r"(?:[ \t\n:*_\[{\"']|\((?!\\?[$\u20ac\u00a3])|[$](?![\d(]))*")

_UNIT = re.compile(
    r"(?:\^\{?\d{1,2}\}?)?(?![\w.,]?\w)"
    r"(?:[\s/$\u20ac\u00a3*-]{0,3}(?!(?:and|or|but|to|not)\b)[^\W\d_]+(?:\^?\d)?\b){0,4}[\s.,$*)}\]\"']*",
    re.I,
)
"""Behind a number that stands alone: its power, and what is counted ("18 dollars per day", "5 m^2")."""

_PORTION = re.compile(r"\d\sof\b")
"""A part of what is counted ("5 of them are red")."""


def _denies(text: str) -> bool:
    return _NO_ANSWER.match(text) is not None or hedges(text)


def _is_denial(text: str) -> bool:
    """Whether a response is only the words that there is no answer: "None.", "**N/A**"."""
    return len(text) < 60 and _NO_ANSWER.fullmatch(plain(text).strip(" \n.*_$\"'()[]")) is not None


def _payload(text: str, match: re.Match, end: int) -> tuple[Stated, int]:
    """What the marker `match` states, and where its statement ends."""
    kind, start = match.lastgroup, match.end()
    if kind == "inverse":
        found = quantities(signed(plain(text[max(0, match.start() - 60) : match.start()])))
        return (Stated(found[-1].value) if found else NOTHING), start
    if kind == "json":
        content, stop = json_value(text, start, end)
        return _json(content), stop
    window = text[start : min(end, start + WINDOW)]
    if kind in ("box", "tag"):
        stop = closing_brace(window) if kind == "box" else (window + "</").index("</")
        content = plain(factorials(window[:stop]) if kind == "box" else window[:stop])
        stated = DENIED if _denies(content) else leading(content)
        words = stated == NOTHING and "\\" not in content
        return (in_sentence(content, None, True) if words else stated), start + stop
    opening = 0 if kind == "hash" else matched(_OPENING, window)
    stop = opening + (len(window.split("\n", 1)[0]) if kind == "hash" else sentence_end(window[opening:]))
    sentence = plain(window[opening:stop])
    if "\n" in window[:opening]:
        sentence = without_bullet(sentence)
        line = window.rindex("\n", 0, opening) + 1
        item, *others = plain(window[line:]).split("\n", 2)
        if others and one_of_several(item, others[0]):
            return SEVERAL, start + line
    if denial := _DENIAL.match(sentence):
        sentence = sentence[denial.end() :] if denial[0].endswith("but") else ""
    last = not text[start + stop : end].strip(" \n.*_$\"'")
    if (
        _ABOUT.match(sentence)
        or _STRUCTURE.match(sentence)
        or (kind == "hash" and not last and _HEADING.match(sentence))
    ):
        return NOTHING, start + stop
    if _denies(sentence):
        return DENIED, start + stop
    stated = leading(sentence)
    if stated != NOTHING:
        return stated, start + stop
    clause = re.match(r"(?:that\b|given by|found by|calculated|obtained)", sentence, re.I)
    if sentence and (clause or last) and "\\" not in sentence:
        before = last_result(plain(text[max(0, match.start() - 300) : match.start()]))
        return in_sentence(sentence, before, True), start + stop
    return NOTHING, start + stop


def _json(content: str) -> Stated:
    """What the value of an "answer" key states: the result of the equation it ends in, the number it opens
    with, or the conclusion of its text."""
    text = plain(content)
    if _denies(text):
        return DENIED
    if text.lstrip()[:1] in ("[", "{"):
        values = {number.value for number in quantities(text)}
        return Stated(values.pop()) if len(values) == 1 else SEVERAL
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    if len(sides(lines[-1])) > 1:
        stated = leading(lines[-1])
        return stated if stated.value is not None else in_sentence(lines[-1], None, True)
    stated = leading(lines[0]) if len(lines) == 1 else NOTHING
    return stated if stated != NOTHING else conclusion(content, lenient=True)


def read_number(
    text: str, options: Sequence[str] = (), finish_reason: str = "stop", abstain: str | None = None
) -> Answer:
    """The number that a response states last.

    `abstain`: the value given for "it cannot be determined" and the like ("None" for gsm_plus, where that is
    a correct answer); without it such a response has no answer. A number that touches the end of a response
    that was cut off may lack digits: truncated.
    """
    answer = _read_english(text, finish_reason, abstain)
    if answer.status == "none" and answer.span is None and (english := in_english(text)) != text:
        answer = _read_english(english, finish_reason, abstain)._replace(span=(0, len(text)))
    return answer


def _read_english(text: str, finish_reason: str, abstain: str | None) -> Answer:
    end, ran_on = end_of_response(text)
    if is_program(text[max(0, end - REACH) : end]):
        return Answer(None, "none")
    cut_off = finish_reason in ("length", "content_filter") and not ran_on
    stated, span, stop = NOTHING, None, 0
    for match in islice(statements(_MARKER, _GIVEN_AWAY, text, end), MARKERS_READ):
        if match.lastgroup == "phrase" and _UNSURE.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        stated, stop = _payload(text, match, end)
        if stated != NOTHING:
            span = (match.start(), stop)
            break
        stop = 0
    if span and cut_off and stop >= len(text.rstrip()) and text[-1:].isalnum():
        return Answer(None, "truncated")
    tail = max(stop, end - TAIL)
    if not cut_off and text[tail:end].strip():
        ending = _said_instead(text[tail:end])
        if ending == NOTHING:
            ending = overruling(text[tail:end]) if span else conclusion(text[tail:end])
        if not span and ending == NOTHING:
            ending = opening_number(text[:end])
        if not span and ending == NOTHING:
            ending = sole_statement(text[:end])
        if not span and ending == NOTHING and _is_denial(text[:end]):
            ending = DENIED
        if ending.denied or ending.value is not None or (ending == SEVERAL and not span):
            stated, span = ending, (tail, end)
    if stated.value is not None:
        return Answer(stated.value, "ok", span)
    if stated.denied:
        return Answer(abstain, "ok", span) if abstain else Answer(None, "none", span)
    if stated == SEVERAL:
        return Answer(None, "ambiguous", span)
    return Answer(None, "truncated" if cut_off else "none")


def number_gold(gold: str) -> str:
    """The number of a reference answer ("... #### 1,450", "1/2", "minus 5 cm"), read as responses are.
    Raises UserError when it is not one number and its unit."""
    value = _sole_number(plain(_last_part(gold)))
    if value is None:
        raise UserError(f"the reference answer {gold!r} is not a number; golds of this task are numbers")
    return value


def gsm_plus_gold(gold: str) -> str:
    """As `number_gold`; "None" where the question has no answer."""
    return ABSTAINS if _last_part(gold).lower() == "none" else number_gold(gold)


def _sole_number(text: str) -> str | None:
    """The number of a passage that is one number and its unit."""
    value, found = leading(text).value, quantities(text)
    return value if found and _UNIT.fullmatch(text, found[0].end) else None


def _said_instead(text: str) -> Stated:
    """The number in which the end of a response corrects itself."""
    said = said_instead(plain(text[-WINDOW:]))
    value = said and not _PORTION.search(said) and _sole_number(said)
    return Stated(value) if value else NOTHING


def _last_part(gold: str) -> str:
    return gold.rsplit("####", 1)[-1].strip()


def rounds_to(value: str, gold: str) -> bool:
    """Whether an answer with more places rounds, half up, to the reference at the places the reference shows.

    GSM-Plus writes rounded references (4.33 for 13/3).
    """
    shown = re.search(r"\.(\d+)\D*$", gold)
    answer, reference = rational(value), rational(gsm_plus_gold(gold))
    if shown is None or answer is None or reference is None:
        return False
    unit = Fraction(1, 10 ** len(shown[1]))
    rounded = (abs(answer) / unit + Fraction(1, 2)) // 1 * unit
    return rounded == abs(reference) and (answer < 0) == (reference < 0)


_BULK_NUMBER = r"-?\$?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,20})?"
_BULK_WORDS = r"(?:\x20[A-Za-z][A-Za-z',]*)*"
_BULK = rf"""(?x)
    (?: (?: [.!?]\s* | [^\w\s*]\s*\n\s* | [0-9]\s*\n\s* )                 # where a sentence or a line begins:
        (?: (?:(?:So|Thus|Hence|Therefore),?\x20)? [Tt]he\x20(?:final\x20)?answer\x20is:? | Answer: ) \x20
      | (?: [^\w\s*] | [0-9b-qu-z] | [a-z]a | [a-df-z]r | [a-mo-z]s | [a-km-z]t )     # behind no "Ans":
        \nA:\x20                                                          # A: 18
      | \#\#\#\#\x20                                                      # #### 18
      | \\boxed\{{ )                                                      # \boxed{{18}}
    {_BULK_NUMBER} %? {_BULK_WORDS} (?: \}}\$? {_BULK_WORDS} )?           # 18 eggs; 18}}$ eggs on Monday
    \x20?\.?\s*$
    """
_BULK_JSON = rf"""(?x)
    (?: \n\s* | [.!?]",\s* ) "answer":\x20                                # "answer": "18 eggs"
    (?: "{_BULK_NUMBER} %? {_BULK_WORDS}" | -?[0-9]{{1,15}}(?:\.[0-9]{{1,20}})? ) \s*\}} (?:\s*```)? \s*$
    """
"""Statements at the end of a response. A group would take twice the time."""
_BULK_ANSWER = r"[\x20{]\"?-?\$?[0-9].*"
"""The answer of a statement, behind a space or a brace."""
_BULK_MORE = r"""(?xi) n't
    | \b(?: [bkmnxyz] | hundreds? | thousands? | [mbtr]+illions? | lakhs? | lacs? | crores? | cr | tn | mm
        | [bm](?:n|ln|il|ill|io) | (?:ten|hundred|thousand|million)ths
        | half | quarter | third | fourth | fifth | repeating | recurring
        | answers? | results? | ans | solution | is | was | equals | comes | would | should | must | will
        | could | not | no | cannot | can | unable | impossible | difficult | information | missing )\b
    | sufficient | adequate | lack | determin | undefined | unknown | unsolvable | unanswerable
    """
"""Words behind a number that may make it part of another, or be a statement of their own."""


def common_numbers(table: pl.DataFrame) -> pl.DataFrame:
    """The table with a column `answer`: the numbers of responses that end in an explicit statement, behind
    which nothing but words stands.

    One column per step: polars evaluates an expression anew wherever it occurs. Polars is imported here,
    because a plan looks tasks up without it.
    """
    import polars as pl

    answer, digits = pl.col("answer"), pl.col("digits")
    ends = pl.col("whole") | ~pl.col("tail").str.contains(r"\w$")
    tail = pl.when(ends).then("tail")
    table = table.with_columns(tail.str.extract(_BULK, 0).alias("answer"))
    json = pl.when(answer.is_null(), ends).then("tail").str.extract(_BULK_JSON, 0)
    table = table.with_columns(pl.coalesce(answer, json).alias("answer"))
    table = table.with_columns(answer.str.extract(_BULK_ANSWER, 0).str.slice(1))
    table = table.with_columns(pl.when(~answer.str.contains(_BULK_MORE)).then(answer))
    number = answer.str.extract(r'^"?([-$0-9,.]+)').str.strip_suffix(".")
    table = table.with_columns(number.str.replace_all(r"[,$]", ""))
    whole_number = answer.str.strip_chars_end("0").str.strip_chars_end(".")
    table = table.with_columns(
        pl.when(answer.str.contains(".", literal=True)).then(whole_number).otherwise(answer)
    )
    table = table.with_columns(answer.str.strip_prefix("-").str.strip_chars_start("0").alias("digits"))
    bare = (digits == "") | digits.str.starts_with(".")
    table = table.with_columns(pl.when(bare).then("0" + digits).otherwise(digits).alias("digits"))
    negative = answer.str.starts_with("-") & (digits != "0")
    return table.with_columns(pl.when(negative).then("-" + digits).otherwise(digits).alias("answer"))


HARNESS = Harness(
    filters=(
        Filter("strict-match", r"The answer is (\-?[0-9\.\,]+)."),
        Filter("flexible-extract", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", last=True),
    ),
    ignored=(",", r"\$", r"(?s).*#### ", r"\.$"),
    what="number",
)
NUMERIC = Task("numeric", read_number, number_gold, common=common_numbers, harness=HARNESS)
GSM_PLUS = Task(
    "gsm_plus",
    partial(read_number, abstain=ABSTAINS),
    gsm_plus_gold,
    is_close=rounds_to,
    common=common_numbers,
    harness=HARNESS,
    apart={"accuracy_without_critical_thinking": "critical thinking"},
)
