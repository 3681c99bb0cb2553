"""What ends a completion: an end token of the model, a stop string of the prompt, or its length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts.lib.models.thoughts import decoded

STOP_EVERY = 8
"""Tokens after which a generator asks which rows have said a stop string."""


@dataclass(frozen=True)
class Ended:
    """A row of token ids as text, cut before the first stop string (`decoded`).

    `finish_reason`: stop or length; `stop_reason`: the stop string that ended it, None where none did (vLLM's
    words); `num_tokens`: up to the end token, or to the token that completed the stop string.
    """

    text: str
    finish_reason: str
    stop_reason: str | None
    num_tokens: int


@dataclass(frozen=True)
class Endings:
    """How completions of a model's tokenizer end: `end_token_ids`, and `stop`, the prompt's stop strings."""

    tokenizer: Any
    end_token_ids: Sequence[int]
    stop: tuple[str, ...] = ()

    def read(self, rows: Sequence[Sequence[int]]) -> list[Ended]:
        """Each row of generated ids (with its end token) as it ended."""
        return [self._read(list(row), text) for row, text in zip(rows, self._texts(rows), strict=True)]

    def said(self, rows: Sequence[Sequence[int]]) -> list[bool]:
        """Which of the rows have said a stop string within their last `STOP_EVERY` tokens.

        Only a tail is decoded: a byte of a stop string is at most a token, and some tokenizers drop the blank
        before a text's first one.
        """
        tail = STOP_EVERY + max(len(string.encode()) for string in self.stop) + 1
        texts = self._texts([row[-tail:] for row in rows])
        return [first_stop(text, self.stop) is not None for text in texts]

    def whole(self, row: Sequence[int]) -> list[int]:
        """The row up to and with the token that completed the first stop string; all of it where there is
        none."""
        return list(row[: self.read([row])[0].num_tokens]) if self.stop else list(row)

    def _read(self, row: list[int], text: str) -> Ended:
        found = first_stop(text, self.stop)
        if found is None:
            ended = bool(row) and row[-1] in self.end_token_ids
            return Ended(text, "stop" if ended else "length", None, len(row))
        without, with_it = 0, len(row)
        while with_it - without > 1:
            middle = (without + with_it) // 2
            (shorter,) = self._texts([row[:middle]])
            if seen := first_stop(shorter, self.stop):
                with_it, text, found = middle, shorter, seen
            else:
                without = middle
        at, string = found
        return Ended(text[:at], "stop", string, with_it)

    def _texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return decoded(self.tokenizer, [list(row) for row in rows])


def first_stop(text: str, stop: Sequence[str]) -> tuple[int, str] | None:
    """Where the first stop string of a text begins, and which it is; None where there is none."""
    return min(((at, string) for string in stop if (at := text.find(string)) >= 0), default=None)
