"""Where a response ends, and what its markup means. All functions are linear in the length of the text."""

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

REACH = 32_768
"""Characters at the end of a response that are read: what says nothing there states no answer.
Bounds the time."""

STOP = r"""(?x)
      <\|(?:im_end|im_start|eot_id|end|endoftext|end_of_text|start_header_id|user)\|>   # <|im_end|>
    | </s>                                                                              # </s>
    | \[/?INST\]                                                                        # [INST]
    | <end_of_turn>                                                                     # <end_of_turn>
    | \n[\x20\t]* (?:[*\#]{1,6}[\x20\t]?)?
      (?: (?:Question|Problem)(?:[\x20\t]?\d{1,3})?[\x20\t]?(?:\*\*)?                   # **Question 2**:
        | Q\d{0,3}                                                                      # Q2:
        | Human | User ):                                                               # Human:
    | \n[\x20\t]* \#\#\#\x20?(?:Instruction|Input|Human|User|Question)\b              # ### Instruction
    """
"""Where a response ends and the next question or turn begins; Python and polars read it alike."""
_STOP = re.compile(STOP)


def end_of_response(text: str) -> tuple[int, bool]:
    """Where the response ends, and whether it ran on past that into the next question or turn.

    A stop string before any other text is not an end: some models repeat the question first.
    """
    first = len(text) - len(text.lstrip())
    for match in _STOP.finditer(text):
        if match.start() > first:
            return match.start(), True
    return len(text), False


BEFORE, BEHIND = 32, 192
"""Characters of a marker before the word that gives it away, and from there on, with room to spare."""


class Words(NamedTuple):
    """What gives a passage away, in small letters: `plain` words, which are found fast, and a `pattern` for
    what else there is, best with one letter that it begins with."""

    plain: tuple[str, ...]
    pattern: re.Pattern[str]

    def places(self, text: str, begin: int, end: int) -> list[int]:
        """Where they begin between two places of a text, in order."""
        found = [match.start() for match in self.pattern.finditer(text, begin, end)]
        for word in self.plain:
            at = text.find(word, begin, end)
            while at >= 0:
                found.append(at)
                at = text.find(word, at + 1, end)
        return sorted(found)


def statements(marker: re.Pattern[str], words: Words, text: str, end: int) -> Iterator[re.Match]:
    """The matches of a marker in what is read of a response, from the last backwards.

    `words`: one of them stands in every match (of the text behind a line end), at most
    BEFORE characters behind its start and BEHIND before its end. So the marker, slow to look for, is looked
    for around them alone.
    """
    begin, lowered = max(0, end - REACH), "\n" + text.lower()
    # Letters that a regex takes for s and i; one grows to two when it is lowered.
    if len(lowered) != len(text) + 1 or "\u017f" in text or "\u0131" in text:
        yield from reversed(list(marker.finditer(text, begin, end)))
        return
    found = [place - 1 for place in words.places(lowered, begin, end + 1)]
    while found:
        first = last = found.pop()
        while found and found[-1] > first - BEFORE - BEHIND:
            first = found.pop()
        yield from reversed(list(marker.finditer(text, max(begin, first - BEFORE), min(end, last + BEHIND))))


_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2012\u2013\u2014\ufe63\uff0d\u2010\u2011", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f\u2007\u2002\u2003\u200a\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060\u00ad", ""),
        **dict.fromkeys("\u00d7\u00b7\u2715\u22c5\u2217", "*"),
        **dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2018\u2019", "'"),
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
        "\u00f7": "/",
        "\u2044": "/",
        "\uff0e": ".",
        "\uff0c": ",",
        "\uff1a": ":",
        "\uff1d": "=",
        "\uff05": "%",
        "\uff04": "$",
        "\u2248": "=",
        "\u2245": "=",
        "\u00b0": " ",
        "\u00bd": " 1/2",
        "\u00bc": " 1/4",
        "\u00be": " 3/4",
        "\u2153": " 1/3",
        "\u2154": " 2/3",
        "\u3002": ". ",
        "\u2026": "...",
    }
)
_SUPERSCRIPTS = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-"
)
_RAISED = re.compile(r"[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]{1,4}")

_OVERLINED = re.compile(r"(?<=\d\.)(\d{0,20}?)((?:\d[\u0304\u0305\u0307\u033f]){1,20})")
_ENDLESS = re.compile(
    r"(?<=\d\.)(?:(\d{0,12}?)(\d{1,6}?)\2{2,12}\.{2,3}|(\d)\3{0,12}\s\(?(?:repeating|recurring)\b\)?)", re.I
)
"""0.1666..., 0.3 repeating; which digits of 0.16 repeat is not said by "repeating"."""

_EUROPEAN = re.compile(r"\d(?<![\d.,]\d)\d{0,2}(?:(?:\.\d{3}){1,4},\d{1,2}|(?:\.\d{3}){2,4})(?![\d.,]*\d)")
"""1.234,50 and 1.234.567; a single 1.234 is a decimal."""
_SPACED = re.compile(
    r"[1-9](?<![\d.,][1-9])\d{0,2}(?:(?: \d{3}){2,4}(?![.,]?\d)|"
    r"(?: 0\d\d)(?![.,]?\d)|(?: \d{3})(?=[^\w\n]{0,4}$))"
)
"""118 000, 1 234 567, and 20 500 at the end of a passage; "8 500 ml bottles" are eight."""

Hint = str | Callable[[str], object]
"""What stands in every passage that a pattern matches, or tells whether one is: in a tenth of the time."""
_MARKUP: list[tuple[Hint, re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    ("<<", re.compile(r"<<[^<>\n]{0,300}>>"), ""),
    ("~~", re.compile(r"~~[^~\n]{1,80}~~"), ""),
    ("!", re.compile(r"(?<=[$])\d{1,2}!(?=[$])"), lambda match: factorials(match[0])),
    ("!", re.compile(r"(?<=\\\()\s?\d{1,2}!(?=\s?\\\))"), lambda match: factorials(match[0])),
    (
        "\\",
        re.compile(
            r"(?<=\d\.)(\d{0,20})\\(?:overline|bar|dot|overset\{[_-]\})\s?\{?(\d{1,20})\}?"
            r"(?:(\d{0,20})\\dot\s?\{?(\d)\}?)?"
        ),
        r"\1(\2\3\4)",
    ),
    ("\\", re.compile(r"\\(?:boxed|fbox)\s?"), " "),
    (
        "\\",
        re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname|bf|rm)\s?\{([^{}]{0,120})\}"),
        r" \1 ",
    ),
    ("frac", re.compile(r"(?<=\d)(?=\\[dtc]?frac)"), " "),
    (
        "frac",
        re.compile(r"\\[dtc]?frac\s?(?:\{([^{}]{1,60})\}|(\d))\s?(?:\{([^{}]{1,60})\}|(\d))"),
        r"\1\2/\3\4 ",
    ),
    *(
        (sign, re.compile(rf"({re.escape(sign)}\d{{1,3}}) (?=\d{{3}}(?!\d))"), r"\1,")
        for sign in "$\u20ac\u00a3"
    ),
    ("{,}", re.compile(r"\{(?<=\d\{),\}(?=\d)"), ","),
    ("'", re.compile(r"'(?<=\d')(?=\d{3}(?!\d))"), ","),
    (
        re.compile(r"\.\d{3}[.,]\d").search,
        _EUROPEAN,
        lambda match: match[0].replace(".", "").replace(",", "."),
    ),
    (re.compile(r" (?<=\d )\d{3}").search, _SPACED, lambda match: match[0].replace(" ", "")),
    ("\\", re.compile(r"(?<=\d),?\\[,!;: ](?=\d{3}(?!\d))"), ","),
    ("\\", re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    ("\\", re.compile(r"\\div(?![a-zA-Z])"), "/"),
    ("\\", re.compile(r"\\(?:approx|simeq|cong|equiv)(?![a-zA-Z])"), "="),
    ("\\", re.compile(r"\^\s?\{?\\circ\}?"), " "),
    ("\\", re.compile(r"\\(?:left|right|displaystyle|quad|qquad|bigl?|bigr?|Bigl?|Bigr?)(?![a-zA-Z])"), " "),
    ("\\", re.compile(r"\\n(?![a-z])"), "\n"),
    ("\\", re.compile(r"\\([$%&#_{}*])"), r"\1"),
    ("\\", re.compile(r"\\[,!;: ()\[\]]"), " "),
    ("**", re.compile(r"(?<!\d)\*\*|\*\*(?!\d|[a-zA-Z]\b)"), ""),
    (
        lambda text: "__" in text or "`" in text or "<" in text,
        re.compile(r"__|`|</?(?:b|strong|em|i|u|sub|sup|span|p|br|answer|final_answer)\s?/?>"),
        "",
    ),
    ("  ", re.compile(r"[ \t]{2,}"), " "),
    ("\t", re.compile(r"[ \t]{2,}"), " "),
    ("", re.compile(r"\.(?=\s?\d)(?:(?<=\b(?:Rs|ca|no)\.)|(?<=\bappx\.)|(?<=\bapprox\.))", re.I), ""),
]
"""What to look for, and what it becomes, behind its hint."""


def plain(text: str) -> str:
    """A passage without Markdown, LaTeX, calculator annotations (`<<3*4=12>>`) and typographic characters.

    The markup becomes what it stands for: `\\frac{1}{2}` 1/2, `\\times` *, a true minus sign -,
    the sign for "about" =.
    """
    if not text.isascii():
        text = _OVERLINED.sub(lambda match: f"{match[1]}({match[2][::2]})", text)
        text = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text.translate(_CHARACTERS))
    for hint, pattern, replacement in _MARKUP:
        if hint in text if isinstance(hint, str) else hint(text):
            text = pattern.sub(replacement, text)
    if ".." in text or "repeat" in (lowered := text.lower()) or "recurr" in lowered:
        text = _ENDLESS.sub(lambda match: f"{match[1] or ''}({match[2] or match[3]})", text)
    return text


def factorials(formula: str) -> str:
    """A formula with its factorials worked out: 5! is 120."""
    return re.sub(r"(?<![\d.,])(\d{1,2})!(?!!)", lambda match: str(math.factorial(int(match[1]))), formula)


_TITLES = ("Mr", "Ms", "Mx", "Dr", "St", "Jr", "Sr", "Mt", "Mrs", "Prof", "vs")
_SENTENCE = re.compile(
    r"(?<=[.!?])"
    + "".join(rf"(?<!\b{title}\.)" for title in _TITLES)
    + r"[\"')\]*]{0,3}\s+(?=[\"'(\[*$]{0,3}[A-Z0-9\\])|\n+"
)


def sentences(text: str) -> list[str]:
    """The sentences and lines of a passage, in order, without the empty ones."""
    return [part for part in (piece.strip() for piece in _SENTENCE.split(text)) if part]


_END = re.compile(r"[.!?](?=[\"')\]*$}]{0,3}(?:\s|$))|\n")
_ABBREVIATION = re.compile(
    rf"(?:\b(?:Rs|approx|appx|ca|no|i\.e|e\.g|{'|'.join(_TITLES)})|^\W*[A-Z])\.$", re.I
)


def sentence_end(text: str) -> int:
    """Where the first sentence or line of a passage ends."""
    for match in _END.finditer(text):
        if match[0] == "\n" or not _ABBREVIATION.search(text[max(0, match.start() - 8) : match.end()]):
            return match.start()
    return len(text)


def closing_brace(text: str) -> int:
    """Where the brace closes that was opened just before the passage; its end when it does not close."""
    depth = 1
    for match in re.finditer(r"[{}]", text):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.start()
    return len(text)


_JSON_STRING = re.compile(r'\s{0,20}"((?:[^"\\]|\\.){0,2000})("|$)', re.S)
_JSON_COLLECTION = re.compile(r"\s{0,20}(?:\[[^\]]{0,400}\]|\{[^}]{0,400}\})")
_JSON_SCALAR = re.compile(r"\s{0,20}[^,}\n]{0,200}")


def json_value(text: str, start: int, end: int) -> tuple[str, int]:
    """The value after a JSON key, loosely: a string without its quotes and escapes, or the rest of the
    line."""
    if match := _JSON_STRING.match(text, start, end):
        return re.sub(r'\\(["/])', r"\1", match[1].replace("\\n", "\n")), match.end()
    rest = _JSON_COLLECTION.match(text, start, end) or _JSON_SCALAR.match(text, start, end)
    return (rest[0], rest.end()) if rest else ("", start)


_ANSWER_ABROAD = re.compile(
    r"""
      (?:\b(?:la|il|a|die|o|het)\s)?\b(?:réponse|respuesta|resposta|risposta|antwort|antwoord|ответ)\b
      (?:\s(?:finale?|correct[ae]|corretta|correta|juste|richtige|est|es|é|è|ist|lautet|is)\b){0,3}\s?:?
    | (?:最终|正确)?(?:答案|答え|正解|정답)[是为為は은는]?\s?[:：]?
    """,
    re.I | re.X,
)
_ABROAD = ("ponse", "spuesta", "sposta", "ntwo", "твет", "答", "正解", "정답")
"""Every such statement contains one of these: looking for them is faster."""


def in_english(text: str) -> str:
    """A text whose statement of its answer is the English one; the rest stays in its language."""
    abroad = any(part in text for part in _ABROAD)
    return _ANSWER_ABROAD.sub("The answer is ", text) if abroad else text


def matched(pattern: re.Pattern[str], text: str) -> int:
    """How many characters at the start of a text a pattern matches."""
    found = pattern.match(text)
    return found.end() if found else 0


_HEDGE = re.compile(
    r"""
      # It is not possible to be accurately determined
      (?:can[ ]?not|can't|could[ ]not|couldn't|unable[ ]to|impossible[ ]to|not[ ]possible[ ]to|no[ ]way[ ]to
        |difficult[ ]to|not[ ]able[ ]to)\s+
      (?:be\s+|(?:accurately|precisely|definitively|exactly|really|be)\s+)?
      (?:accurately\s+|precisely\s+|definitively\s+|exactly\s+)?
      (?:determin|calculat|answer|know|find|solv|comput|say|tell|give|provid|infer|deduc|figure|establish|conclude)
      # the problem does not say; you didn't explicitly state
    | \b(?:we|you|i|question|problem|statement|it|text|exercise|prompt|information|that|which)\b
      [^.\n]{0,40}?(?:\bnot|n't)[ ]
      (?:actually[ ]|explicitly[ ]|really[ ]|directly[ ])?
      (?:give|provide|contain|supply|specify|state|mention|say|tell|know|indicate)\b
      # we do not have the exact values
    | (?:\bnot|n't)[ ]have[ ](?:\w+[ ]){0,3}
      (?:information|info|data|details?|values?|numbers?|way|answers?|solutions?|context)\b
      # there isn't enough information; insufficient data
    | (?:\bnot|n't|\binsufficient|\binadequate)[ -](?:\w+[ ])?(?:enough[ ])?(?:\w+[ ])?
      (?:information|info|data|details?|context|knowledge)\b
      # this is not enough to determine it
    | (?:\bnot|n't)[ ]enough[ ]to[ ](?:determin|answer|solve|calculat|know|say|find)
      # what is given is insufficient; but "insufficient funds" is part of a story
    | (?:\bnot[ ]|n't[ ]|\bin)(?:sufficient|adequate)\b(?![ ](?:funds|money|\w+s)\b)
      # there is no unique solution
    | \bno[ ](?:\w+[ ])?(?:answer|solution)\b
      # it lacks the needed details
    | \black(?:s|ing)?[ ](?:\w+[ ]){0,2}(?:information|info|data|details?)\b
      # what we know is not enough.
    | \bnot[ ]enough\W*$
      # unknown
    | \b(?:undetermined|indeterminate|undefined|unknown|unsolvable|unanswerable)\b
      # the price is not given
    | (?:\bnot|n't)[ ]
      (?:specified|mentioned|stated|provided|given|known|possible|clear|determinable|applicable)\b
      # we need more information
    | \bmore[ ]information\b
      # some details of the question are missing
    | \b(?:information|data|details?|values?|problem|question|statement)\b[^.\n]{0,40}\b(?:is|are)[ ]missing\b
      # because of missing information
    | \bmissing[ ]information\b
    """,
    re.I | re.X,
)


_HEDGES = (
    *("not", "n't", "no ", "unable", "impossible", "difficult", "sufficient", "adequate", "lack", "determin"),
    *("undefined", "unknown", "unsolvable", "unanswerable", "information", "missing"),
)
"""Every such passage contains one of these: looking for them is faster."""


def hedges(text: str) -> bool:
    """Whether the passage says that there is no answer to give."""
    lowered = text.lower()
    if text.isascii() and not any(word in lowered for word in _HEDGES):
        return False
    return _HEDGE.search(text) is not None


_CODE_LINE = re.compile(
    r"[ \t]*(?:#(?!##)|(?:print|return|import|from|def|for|while|if|elif|else|break)\b|[a-z]+_\w"
    r"|[\w.]{1,80}\(|[ \t]\w+$"
    r"|[A-Za-z_][\w.\[\]]*(?:, ?[A-Za-z_]\w*)* ?[-+*/%]?= ?\S)"
)
CODE = (
    r"(?:for|while|if|def) [^\n]{1,200}:[ \t]*$|print\(|return\b",
    r"[a-z]+_[a-z_0-9]+ ?=[^=]",
)
"""How a line of a program begins behind its indent: every program has one. Python and polars read them alike,
polars each in a quarter of the time that both as one take."""
_CODE_ONLY = re.compile(rf"(?m)^[ \t]*(?:{'|'.join(CODE)})")


def is_program(text: str) -> bool:
    """Whether the text is a program and nothing else: it computes an answer, it does not state one."""
    if _CODE_ONLY.search(text) is None or "\\boxed" in text:
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and all(_CODE_LINE.match(line) for line in lines)
