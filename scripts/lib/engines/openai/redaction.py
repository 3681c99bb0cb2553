"""A key blotted out of what a server says: whole, in pieces, reversed or encoded."""

import base64
import re
from collections.abc import Iterator
from itertools import groupby
from urllib.parse import quote

PIECE = 8
"""Characters of a key, in a row, that are too many to be shown."""
SECRET = 16
"""Characters of the shortest key that is looked for in completions: servers without keys are given words,
such as EMPTY, and these a completion may hold."""
BLOT = "***"


class Redaction:
    """Knows the forms of one key; upper and lower case are alike."""

    def __init__(self, key: str):
        self.key, forms = key, sorted(set(_forms(key)))
        self.pieces = {
            form[start : start + PIECE] for form in forms for start in range(len(form) - PIECE + 1)
        }
        self.whole = re.compile("|".join(map(re.escape, forms)), re.I | re.A) if len(key) >= SECRET else None

    def words(self, text: str) -> str:
        """A message or a name without the key or any piece of it."""
        if len(self.key) < PIECE:
            return text.replace(self.key, BLOT) if self.key else text
        return re.sub(rf"[!-~]{{{PIECE},}}", self._blotted, text)

    def completion(self, text: str) -> str:
        """A completion without the whole key; pieces of one may be ordinary words."""
        return self.whole.sub(BLOT, text) if self.whole else text

    def _blotted(self, match: re.Match) -> str:
        low, covered = _lower(match[0]), bytearray(len(match[0]))
        for start in range(len(low) - PIECE + 1):
            if low[start : start + PIECE] in self.pieces:
                covered[start : start + PIECE] = b"\1" * PIECE
        runs = groupby(zip(covered, match[0], strict=True), key=lambda pair: pair[0])
        return "".join(BLOT if hidden else "".join(letter for _, letter in run) for hidden, run in runs)


def _lower(text: str) -> str:
    """Small letters of ASCII: as long as before."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _forms(key: str) -> Iterator[str]:
    """The key as it may be written, in small letters."""
    data = key.encode()
    yield from map(_lower, (key, key[::-1], quote(key, safe=""), data.hex()))
    yield "".join(f"%{byte:02x}" for byte in data)
    for before in range(3):  # what stands before a key shifts its base64
        first, last = -(-8 * before // 6), 8 * (before + len(data)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield _lower(encode(bytes(before) + data).decode()[first:last])
