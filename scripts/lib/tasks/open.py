"""Open-ended questions: `open`. A response has no answer to compare, it is valid or it is not (Eq. 11's "no
valid answer").

Not valid: empty (no letter or digit), truncated (cut off before its end), or degenerate (one passage over and
over).
"""

import re
from collections.abc import Sequence

from scripts.lib.tasks.base import Answer, Task

VALID = "valid"
"""The one canonical value: all valid responses are "equal", so that a label of this value lowers no
reward."""
_SHINGLE = 24
_LEAST = 240
_DISTINCT = 1 / 3
_LOOKED_AT = 20_000


def degenerate(text: str) -> bool:
    """Whether a text says the same over and over: of its runs of 24 characters, under a third are distinct.

    White space and case do not count, texts under 240 characters never are, of long ones the end is looked
    at.
    """
    text = re.sub(r"\s+", " ", text[-_LOOKED_AT:].strip().casefold())
    runs = len(text) - _SHINGLE + 1
    if len(text) < _LEAST:
        return False
    return len({text[start : start + _SHINGLE] for start in range(runs)}) < _DISTINCT * runs


def read_validity(text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
    """`VALID` with status ok, or no value: truncated (cut off), none (empty or degenerate)."""
    if finish_reason in ("length", "content_filter"):
        return Answer(None, "truncated")
    empty = not re.search(r"[^\W_]", text)
    return Answer(None, "none") if empty or degenerate(text) else Answer(VALID, "ok", (0, len(text)))


OPEN = Task("open", read_validity, gold=lambda gold: VALID, judged=True)
"""There is no reference answer: any response that is valid will do."""
