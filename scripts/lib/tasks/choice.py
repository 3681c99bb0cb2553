"""Option letters: `choice` (MMLU-Pro and any multiple choice).

Explicit statements: "the answer is (C)", "Answer: C", "the correct option is **C**", `\\boxed{C}`, `"answer":
"C"`, or the text of an option in such a place. Without one, a response still states its answer when it is
only a letter, or when it ends in "... is: C. <text>", "... option C" or "... the closest is (C)".
A letter that merely stands somewhere is not an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from scripts.lib.errors import UserError
from scripts.lib.tasks.base import Answer, Task
from scripts.lib.tasks.filters import Filter, Harness
from scripts.lib.tasks.reading.conclusions import breaks_off, loops
from scripts.lib.tasks.reading.folding import upright
from scripts.lib.tasks.reading.retraction import DOUBTS, said_instead
from scripts.lib.tasks.reading.text import (
    Words,
    closing_brace,
    end_of_response,
    in_english,
    matched,
    plain,
    sentence_end,
    sentences,
    statements,
)

if TYPE_CHECKING:
    import polars as pl

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WINDOW = 300
MARKERS_READ = 32
UNKNOWN = 10
"""Options of a question whose options are not known: A to J."""

_MARKER = re.compile(
    r"""
      (?:\\boxed\s?\{|<(?:final_)?answer>)(?P<box>)                                # \boxed{C}
    | (?:^|\n)[ \t*_\#>-]{0,6}(?:(?:final|correct|selected|chosen|my)\s)?
      (?:answer|choice|option|selection|ans)[*_]{0,3}\s?(?:[:.]|\n)(?P<label>)     # **Final answer**: C
    | ["'](?:final[_ ]?|correct[_ ]?)?(?:answer|choice|option)["']\s{0,4}:(?P<json>)  # "answer": "C"
    | \b(?:answers?|ans|solution
        |(?:correct|best|right|closest|chosen|selected|final|appropriate|likely|accurate|suitable)\s
         (?:options?|choices?|statements?|match))                                  # The best option is C
      (?:\s(?:choice|option|letter)s?)?                                            # The answer choice is C
      (?:\s?\([^()\n]{0,40}\)                                                      # The answer (of five) is C
        |\s(?:to|for|of|in|among|from|here|that)\b[^.\n:=?!]{0,60}?                # The answer to this is C
        |,?\s(?:therefore|thus|then|so),?)?                                        # The answer, then, is C
      [*_]{0,3}\s?
      (?:(?:would|should|must|will|could)\sbe\b|\bis\b|\bare\b|\bwas\b|=|:)(?P<phrase>)  # The answer is C
    """,
    re.I | re.X,
)
_GIVEN_AWAY = Words(
    ("answer", "boxed", "solution", "choice", "option", "selection", "statement", "match"),
    re.compile(r"ans(?![a-z])"),
)
_UNSURE = re.compile(
    r"\b(?:if|whether|suppose|assuming|assume|unless)\s(?:that\s)?(?:the|your|our|my|an?)?\s?(?:\w+\s)?$",
    re.I,
)
_LEAD = re.compile(
    r"(?:[\s\"'`\u201c\u2018(\[{<:*_>$=]|\\[\[(]|\\boxed\s?\{|\\text(?:bf|it)?\s?\{|\\mathrm\s?\{"
    r"|\\mathbf\s?\{|\\,|~~[^~\n]{1,80}~~"
    r"|(?:(?:the\s)?(?:option|choice|letter|answer)s?|indeed|therefore|simply|clearly|most likely|likely"
    r"|probably)(?=[\s:,(])|,)*"
)
_LETTER = re.compile(r"(?P<letter>[A-Z])(?![A-Za-z0-9_^]|'[a-z])")
_AFTER = re.compile(
    r"\s*(?:$|[).\]},:;*\"'\u201d\u2019!?\\$<>`\n\u3002]|\s(?:[-\u2013\u2014]|\()"
    r"|\s(?:because|since|as|for|due|based|from|with|which|given|by|according|in|on|among|is|but)\b)"
)
_FORMULA = re.compile(
    r"\s[<>]\s|\s?(?:[=+/^_\u2248\u2192]|\*(?![*\s}])|\([a-z]\w{0,3}\)\s?="
    r"|\\(?:cdot|times|frac|sqrt|approx|propto|equiv|sim|to|le|ge|neq|rightarrow|left|mid)\b)"
)
"""After a letter that stands for a quantity: E = mc^2, A(x) = 5."""
_REJECTED = re.compile(
    rf"""
    [)\]*_"'.]{{0,4}}(?:(?:,\s?|\s(?:and|or|nor)\s){{1,2}}\(?[A-Z]\)?){{0,8}}           # A, B and C
    (?:\s(?:is|are|was|were|does|do|can|could|would|will|seems?|looks?)(?:n?['\u2019]t|\s?not)\b(?!\sonly)
      |\s(?:is|are|was|were|seems?|looks?|would\sbe|must\sbe|can\sbe)\s(?:\w+\s){{0,2}}?    # is clearly wrong
       (?:wrong|incorrect|false|out|excluded|eliminated|ruled\sout|impossible|implausible|unlikely|untrue
         |invalid|rejected)\b
      |\s(?:drops?|falls?)\s(?:out|away)\b                                         # drops out
      |\s?\?+\s{{0,3}}(?:no|nope|not|wrong|false|wait|but)\b                          # ? No
      |[.,;:!]?\s(?:[-\u2013\u2014]\s)?{DOUBTS})                                    # . No, wait
    """,
    re.I | re.X,
)
"""After a letter: it is not the answer."""
_AFFIRMED = re.compile(
    r"\)?[*_]{0,2}(?:\s(?:is|must\sbe|would\sbe|remains|fits|holds)(?=[.,;!]|$|\s(?:the\s)?(?:\w+\s)?"
    r"(?:correct|right|true|best|answer|choice|option|one)\b)|\s(?:remains|fits|holds)\b"
    r"|\s?\?\s{0,3}(?:yes|correct|right|true|indeed)\b)",
    re.I,
)
_CHOICE_BEFORE = re.compile(
    r"(?:\b(?:must|has\sto|can\sonly|should)\sbe|\b(?:leaves|leaving|so|thus|hence|therefore|but|no|wait|choose"
    r"|pick|is|it's|only|option|answer|choice)(?:\sus\swith|\sonly)?|[:;])[,:]?\s[*_]{0,2}\(?$",
    re.I,
)
"""Before a letter: it is the answer."""
_MENTIONED = re.compile(
    r"(?<![A-Za-z0-9'])(?:\(([A-Z])\)|([B-HJ-Z])(?![A-Za-z0-9'])|(A)(?![A-Za-z0-9']|\s(?!is\b|fits\b)[a-z]))"
)
"""Letters that are no words ("a lever", "I")."""
_IN_TEXT = r"(?:\\(?:text(?:bf|it)?|mathrm|mathbf)\s?\{\s?)?"
_MORE = re.compile(
    rf"""
    [)\]*_"'.}}`$\u201d\u2019]{{0,4}}\s?
      {_IN_TEXT}(?:,\s?(?:and|or)\s|,|;|and\s|or\s|&\s?|/)\s?\}}?\s?{_IN_TEXT}          # A, B; A and B
      (?:(?:also|option|choice)\s)?[*_"'`$\u201c\u2018]{{0,3}}
      (?:\([A-Z]\)
        |[A-Z](?=[).*]{{0,3}}(?:$|[,;\n)]|\.(?:\s|$)|\s(?:and|or|are)\b)
          |[}}\]`<$\\\u201d\u2019]|"(?!\s?:)|'(?![a-z])))
    | \)(?:\s(?=\([A-Z]\)[.*_]{{0,3}}\s*(?:$|\n)))?\([A-Z]\)                          # (A)(B)
    | \)?\s\(?[A-Z]\)?[}}\]"`<]                                                    # {{A B}}
    """,
    re.X,
)
"""After a letter: another one."""
_EACH = re.compile(
    r"\)?\s(?:for\s[^.()]{1,40}?|(?!not|but|rather|over"
    r"|than)[A-Za-z]{1,12}),?\s(?:and\s)?\([A-Z]\)\s(?:for\b|[A-Za-z]{1,12}(?:$|[.,;]))"
)
_ROMAN = re.compile(r"\)?\s?(?:,|and\b|or\b|&)\s?(?:and\s)?\(?(?:I[IVX]+|V?I{2,}|I?V|VI)\b")
_OPTION = re.compile(
    r"(?<!not )(?<!n't )\b(?i:option|choice|answer)\s?[*_]{0,2}(?:\(([A-Z])\)|([A-Z]))(?![A-Za-z0-9'])"
    r"(?!\s(?:is|are|was)(?:n't|\s(?:not|incorrect|wrong|false|a)\b))"
)
_IS_CORRECT = re.compile(
    r"(?:\(([A-Z])\)|\b([A-Z])\b)[*_]{0,2}\s(?:is|would be|seems to be"
    r"|appears to be)\s(?:therefore\s)?(?:the\s)?"
    r"(?:correct|right|best|closest|answer|most\s\w{1,20})\b"
)
_CHOSEN = re.compile(
    r"\bI(?:'d|\swould|\swill|'ll)?\s(?:choose|pick|select|go\swith)\s(?:option\s)?[*_]{0,2}(?:\(([A-Z])\)"
    r"|([A-Z])\b)"
)
_LAST_WORD = re.compile(
    r"\b(?:is|are|be|or|as|by|to|i\.e\.|namely)[,:]?\s(?:(?:the|option|choice"
    r"|answer)\s){0,2}[*_]{0,2}\(([A-Z])\)[*_]{0,2}"
    r"(?:\s[^.()\n]{1,120})?[.*]{0,3}$"
)
_HENCE = re.compile(
    r"\b(?:[Tt]herefore|[Tt]hus|[Hh]ence|[Ss]o),?\s[*_]{0,2}(?:\(([A-Z])\)|([B-HJ]))[*_]{0,2}\.?$"
)
_COLON = re.compile(
    r"\b(?:is|are|be|was|were|would be|follows|options?|this)\s?[:\-]?\s{0,4}[*_]{0,3}\(?([A-Z])(?:\)|\."
    r"|:)[*_]{0,3}(?=\s|$)"
)
_ALONE = re.compile(r"[\s*_#>\"'(\[{$]*(?:\\(?:text|boxed)\{)?([A-Z])[\s*_)\]}.\"'$:]*")
_ALONE_WITH_TEXT = re.compile(r"[\s*_\"']*\(?([A-Z])(?:\)|\.|:)[*_]{0,2}\s+(?=\S)")
_ENUMERATED = re.compile(r"[\s*_-]*\(?[A-Z](?:\)|\.|:)")
_ENCLOSED = re.compile(r"\(([A-Z])\)")
_NOT_BUT = re.compile(r"\s*not\b.{0,80}?\bbut\b", re.I)
_DENIAL = re.compile(r"\b(?:not|isn't|incorrect|wrong|neither|none)\b", re.I)


@lru_cache(maxsize=10_000)
def _bare(text: str) -> str:
    return re.sub(r"[^0-9a-z.%/+<>=-]+", " ", plain(upright(text)[0]).lower()).strip(" .")


def _by_text(payload: str, options: Sequence[str]) -> str | None:
    """The letter of the one option whose text the payload states, whole, or with which it begins; of a lone
    letter nobody knows whether it is an option's letter or its text."""
    stated = _bare(payload[:WINDOW])
    if not stated or (len(stated) == 1 and stated.upper() in LETTERS[: len(options)]):
        return None
    texts = [_bare(option) for option in options]
    if texts == list(LETTERS.lower()[: len(texts)]):
        return None
    exact = [index for index, text in enumerate(texts) if text and text == stated]
    if not exact:
        opening = [
            (len(text), index)
            for index, text in enumerate(texts)
            if len(text) >= 4 and (stated + " ").startswith(text + " ")
        ]
        longest = max(opening, default=(0, 0))[0]
        exact = [index for length, index in opening if length == longest]
    return LETTERS[exact[0]] if len(exact) == 1 else None


def _letter(payload: str, options: Sequence[str], count: int) -> tuple[str, str | None] | None:
    """What a payload states: ("ok", letter), ("ambiguous", None), or None when it states no option."""
    if contrast := _NOT_BUT.match(payload):
        payload = payload[contrast.end() :]
    lead = matched(_LEAD, payload)
    rest = payload[lead:]
    match = _LETTER.match(rest)
    if match:
        letter, after = match["letter"], rest[match.end() :]
        enclosed = payload[:lead].rstrip().endswith(("(", "{", "[", "*", '"')) or payload[
            :lead
        ].rstrip().endswith(("option", "choice"))
        stands = enclosed or _AFTER.match(after) is not None
        stands = stands and not (letter in "IVX" and _ROMAN.match(after)) and not _FORMULA.match(after)
        by_text = None if stands else _by_text(after.lstrip(" ="), options)
        if _REJECTED.match(after):
            instead = _chosen_instead(rest, count)
            if instead or stands:
                return instead
        if stands or by_text == letter:
            if _MORE.match(after) or _EACH.match(after):
                return "ambiguous", None
            if letter not in LETTERS[:count]:
                return "ambiguous", None
            return "ok", letter
    payload = payload.lstrip()
    line, sentence = payload.split("\n", 1)[0], payload[: sentence_end(payload)]
    if _DENIAL.search(sentence) and not any(_bare(option) == _bare(sentence) for option in options):
        return None
    named = _by_text(sentence, options) or _by_text(line, options)
    return ("ok", named) if named else None


def _chosen_instead(text: str, count: int) -> tuple[str, str | None] | None:
    """What is stated by words that reject the option they open with: the one that they affirm, if any."""
    affirmed = set()
    for match in _MENTIONED.finditer(text):
        letter, after = match[match.lastindex or 0], text[match.end() :]
        if not _REJECTED.match(after) and (
            _AFFIRMED.match(after) or _CHOICE_BEFORE.search(text[max(0, match.start() - 40) : match.start()])
        ):
            affirmed.add(letter)
    if len(affirmed) != 1 or affirmed - set(LETTERS[:count]):
        return None
    return "ok", affirmed.pop()


def read_choice(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
    """The letter of the option that a response states last. Letters beyond the number of options and several
    letters at once are ambiguous."""
    answer = _read_english(text, options, finish_reason)
    if answer.status == "none" and (english := in_english(text)) != text:
        answer = _read_english(english, options, finish_reason)._replace(span=(0, len(text)))
    return answer


def _read_english(text: str, options: Sequence[str], finish_reason: str) -> Answer:
    end, ran_on = end_of_response(text)
    cut_off = finish_reason in ("length", "content_filter") and not ran_on
    read, origins = upright(text[:end])
    letter, status, span = _stated(read, options, cut_off)
    return Answer(letter, status, span and (origins[span[0]], origins[span[1]]))


def _stated(text: str, options: Sequence[str], cut_off: bool) -> Answer:
    count, end = len(options) or UNKNOWN, len(text)
    instead = None if cut_off else said_instead(text)
    if instead and (stated := _letter(instead, options, count)) and stated[0] == "ok":
        return Answer(stated[1], "ok", (text.rindex(instead), end))
    for match in islice(statements(_MARKER, _GIVEN_AWAY, text, end), MARKERS_READ):
        if _UNSURE.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        payload = text[match.end() : match.end() + WINDOW]
        if match.lastgroup == "box":
            payload = "(" + payload[: closing_brace(payload) + 1]
        stated = _letter(payload, options, count)
        if stated:
            return Answer(stated[1], stated[0], (match.start(), min(end, match.end() + 8)))
    if not cut_off and (letter := _only_letter(text, options)):
        return Answer(letter, "ok", (0, end))
    if not cut_off:
        implied = _implied(text[-2000:], options, count)
        if implied:
            return Answer(implied[1], implied[0], (max(0, end - 2000), end))
    return Answer(None, "truncated" if cut_off else "none")


def _only_letter(text: str, options: Sequence[str]) -> str | None:
    """The letter that is all of a response, in whatever case: "d", "(b)"."""
    alone = re.fullmatch(r"[\s*_(\[\"'$]{0,6}([a-z])[\s*_)\].\"'$]{0,6}", text.lower())
    letter = alone[1].upper() if alone else ""
    return letter if letter in LETTERS[: len(options)] else None


def _implied(tail: str, options: Sequence[str], count: int) -> tuple[str, str | None] | None:
    """What the end of a response states without saying "answer": only a letter, "... is: C. <its text>", "...
    option C." """
    lines = [line for line in tail.splitlines() if line.strip()]
    if not lines or loops(tail) or breaks_off(tail):
        return None
    for line, other in ((lines[-1], lines[-2:-1]), (lines[0], lines[1:2])):
        match = _ALONE.fullmatch(line)
        if (
            match is None
            and line is lines[0]
            and (match := _ALONE_WITH_TEXT.match(line))
            and not _fits(match, line, options)
        ):
            match = None
        if match and not any(_ENUMERATED.match(neighbour) for neighbour in other):
            return ("ok", match[1]) if match[1] in LETTERS[:count] else ("ambiguous", None)
    paragraph = "\n".join(lines[-4:])
    found = {match[1] for match in _COLON.finditer(paragraph) if _fits(match, paragraph, options)}
    last = (sentences(lines[-1]) or [""])[-1]
    found |= {
        match[1] or match[2]
        for pattern in (_OPTION, _IS_CORRECT, _HENCE, _CHOSEN)
        for match in pattern.finditer(last)
    }
    clause = re.split(r"[,;]\s(?:but|so|hence|thus|therefore)\b|;\s", last)[-1]
    if not found and not _DENIAL.search(clause) and len(set(_ENCLOSED.findall(clause))) == 1:
        found = set(_LAST_WORD.findall(clause))
    if not found:
        listed = any(_by_text(line, options) for line in lines[-3:-1])
        named = None if listed or len(lines[-1]) >= WINDOW else _by_text(lines[-1], options)
        return ("ok", named) if named else None
    if len(found) > 1 or found - set(LETTERS[:count]):
        return "ambiguous", None
    return "ok", found.pop()


def _fits(match: re.Match, text: str, options: Sequence[str]) -> bool:
    """Whether the text after a letter is that of its option, as far as the options' texts are known."""
    index = LETTERS.index(match[1])
    if not any(len(_bare(option)) > 1 for option in options) or index >= len(options):
        return True
    wanted, stated = _bare(options[index]), _bare(text[match.end() : match.end() + WINDOW])
    return bool(wanted) and (
        stated.startswith(wanted[:30]) or wanted.startswith(stated[:30]) and bool(stated)
    )


def letter_gold(gold: str) -> str:
    """The letter of a reference answer ("b", "(B)", "B."). Raises UserError when it is none."""
    text = gold.strip()
    if not re.fullmatch(r"\(?[A-Za-z]\)?\.?", text):
        raise UserError(
            f"the reference answer {gold!r} is not an option letter; golds of this task are letters from A on"
        )
    return text.strip("().").upper()


def check_letter(letter: str, options: Sequence[str]) -> None:
    """Raise UserError for the letter of an option that the question does not have."""
    count = len(options) or UNKNOWN
    if letter not in LETTERS[:count]:
        raise UserError(
            f"{letter} is none of the question's {count} options, A to {LETTERS[count - 1]}; "
            "mend it, or leave it empty"
        )


_BULK = r"(?:[.!?]|[!-)+-/:-@\[-^`{-~]\s*\n|[0-9]\s*\n)\s*[Tt]he answer is \(([A-J])\)\.\s*$"


def common_letters(table: pl.DataFrame) -> pl.DataFrame:
    """The table with a column `answer`: the letters of responses that end in "The answer is (C).";
    see `common_numbers`."""
    import polars as pl

    answer, known = pl.col("answer"), pl.col("options").list.len().fill_null(0)
    table = table.with_columns(pl.col("tail").str.extract(_BULK).alias("answer"))
    exists = answer.str.to_integer(base=36, strict=False) - 10 < pl.when(known > 0).then(known).otherwise(
        UNKNOWN
    )
    return table.with_columns(pl.when(exists).then(answer).alias("answer"))


CHOICE = Task(
    "choice",
    read_choice,
    letter_gold,
    check=check_letter,
    common=common_letters,
    harness=Harness(
        filters=(Filter("custom-extract", r"answer is \(?([ABCDEFGHIJ])\)?"),),
        ignore_punctuation=True,
        what="letter",
    ),
)
