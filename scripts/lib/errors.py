"""What a user can mend."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120


class UserError(Exception):
    """Bad input. The message says what is wrong, where, and the mend, in one line."""


def shown(value: Any) -> str:
    """A value of a user's for a message: quoted, a long one cut in the middle."""
    return _SHORT.repr(value)


def nearest(name: str, names: Iterable[str]) -> str:
    """The likeliest of `names` that was meant by `name`, else all of them, as half a sentence."""
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"
