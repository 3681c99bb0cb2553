"""What a user can mend, and text from elsewhere as a terminal may show it."""

import contextlib
import difflib
import re
import reprlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1: escape sequences begin so
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of the reading direction
    r"\u2028\u2029\ufeff\ud800-\udfff\U000e0000-\U000e007f]"  # lines' ends, half characters, tags
)


class UserError(Exception):
    """Bad input. The message says what is wrong, where, and the mend; `str` gives it as one visible line,
    whatever names, models and servers it quotes."""

    def __str__(self) -> str:
        return visible(" ".join(super().__str__().split()))


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """End the process with one line, and exit code 2, for what a user can mend."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def visible(text: str) -> str:
    """Text that moves no cursor, sets no colour and title, and reads in the order it is written: such
    characters as their escapes, "\\x1b"."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def shown(value: Any) -> str:
    """A value of a user's for a message: quoted, a long one cut in the middle."""
    return _SHORT.repr(value)


def nearest(name: str, names: Iterable[str]) -> str:
    """The likeliest of `names` that was meant by `name`, else all of them, as half a sentence."""
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"
