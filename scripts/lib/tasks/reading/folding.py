"""One form for all look-alikes of a text, so that no font, accent or invisible letter leads past a rule."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

_UNUSUAL = re.compile(r"[^\t\n -~]")
_LIKE = {
    **dict.fromkeys("\u2018\u2019\u201b\u02bc\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u201f\u2033", '"'),
    **dict.fromkeys("\u2236\ua789\u02d0\u05c3", ":"),
    **dict.fromkeys("\u2223\u01c0\u2502\u2503\u2758\u2759\u275a\u23d0\u00a6", "|"),
    **dict.fromkeys("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
    **dict.fromkeys("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800", ""),
}
"""What Unicode's compatibility forms do not bring together: quotation marks, colons, bars, line ends, and
letters that are blank."""
_UNSEEN = ("Mn", "Me", "Cf", "Cc")
"""Categories of characters that a text loses nothing without: accents, joiners, controls."""


class _Folds(dict[int, str]):
    """The folded text of each character, by code point, found when first asked for."""

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFKD", _LIKE.get(chr(code), chr(code)))
        self[code] = "".join(map(_folded, parts))
        return self[code]


def _folded(char: str) -> str:
    if char in _LIKE or char in "\t\n":
        return _LIKE.get(char, char)
    if unicodedata.category(char) in _UNSEEN:
        return ""
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)


_FOLDS = _Folds()


def folded(text: str) -> tuple[str, Sequence[int]]:
    """A text in compatibility form (NFKD), with ASCII digits, without accents and letters that show nothing;
    and where each of its characters stood in the text, the text's length last."""
    if not _UNUSUAL.search(text):
        return text, range(len(text) + 1)
    parts = [_FOLDS[ord(char)] for char in text]
    origins = [index for index, part in enumerate(parts) for _ in part]
    return "".join(parts), [*origins, len(text)]


class _Upright(dict[int, str]):
    """The upright form of each character, by code point, found when first asked for."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind, _, form = unicodedata.decomposition(char).rpartition(" ")
        if not _shows(char):
            self[code] = ""
        elif kind in ("<wide>", "<font>") or (kind == "<circle>" and chr(int(form, 16)).isalpha()):
            self[code] = chr(int(form, 16))
        else:
            self[code] = _BRACKETS.get(char, char)
        return self[code]


_BRACKETS = {"\u3010": "[", "\u3011": "]", "\u300c": '"', "\u300d": '"'}
_UPRIGHT = _Upright()


def upright(text: str) -> tuple[str, Sequence[int]]:
    """A text without characters that show nothing, and with plain letters and brackets for wide, circled and
    mathematical ones; powers, fractions and accents stay, as they mean something. And where each of its
    characters stood in the text, the text's length last."""
    if text.isascii():
        return text, range(len(text) + 1)
    read = text.translate(_UPRIGHT)
    if len(read) == len(text):
        return read, range(len(text) + 1)
    return read, [*(index for index, char in enumerate(text) if _UPRIGHT[ord(char)]), len(text)]


def seen(text: str) -> str:
    """A text without characters that show nothing: joiners, marks of direction, blank letters, controls."""
    return text if not _UNUSUAL.search(text) else "".join(filter(_shows, text))


def _shows(char: str) -> bool:
    return char in "\t\n\r" or (unicodedata.category(char) not in ("Cf", "Cc") and _LIKE.get(char) != "")


def rewritten(text: str, spans: Iterable[tuple[int, int]], write: Callable[[str], str]) -> str:
    """The text with what `write` makes of it in the place of each span (sorted, apart) of its folded form.

    Of a character that folds to several (\u00bd) the whole is replaced.
    """
    read, origins = folded(text)
    pieces, done = [], 0
    for start, stop in spans:
        begins = origins[start]
        if begins < done:
            continue
        pieces += [text[done:begins], write(read[start:stop])]
        done = origins[stop - 1] + 1 if stop > start else begins
    return "".join([*pieces, text[done:]])
