"""A completion ends at its end token, before its first stop string, or at its length. No model is needed."""

import pytest

from scripts.lib.models.endings import STOP_EVERY, Ended, Endings

END = "<end>"


class Pieces:
    """A tokenizer whose ids are their own texts; END is special. `longest`: the most tokens it decoded at
    once."""

    longest = 0
    added_tokens_decoder: dict = {}

    def batch_decode(self, rows, **_):
        self.longest = max([self.longest, *map(len, rows)])
        return ["".join(token for token in row if token != END) for row in rows]


def read(row, *stop):
    (found,) = Endings(Pieces(), [END], stop).read([row])
    return found


@pytest.mark.parametrize(
    ("row", "stop", "ended"),
    [
        (["a", "b", END], (), Ended("ab", "stop", None, 3)),
        (["a", "b"], (), Ended("ab", "length", None, 2)),
        ([], (), Ended("", "length", None, 0)),
        (["a", "b", END], ("Q",), Ended("ab", "stop", None, 3)),
        (["6", ".\n", "Q", ":", "x", "y"], ("\nQ:",), Ended("6.", "stop", "\nQ:", 4)),
        (["6.", "\nQ:", END], ("\nQ:",), Ended("6.", "stop", "\nQ:", 2)),
        (["6\nQ: 7", "8"], ("\nQ:",), Ended("6", "stop", "\nQ:", 1)),
        (["\n", "Q:"], ("\nQ:",), Ended("", "stop", "\nQ:", 2)),
        (["a\nQ", END], ("\nQ:",), Ended("a\nQ", "stop", None, 2)),
        (["a\nQ", END, ":", "b"], ("\nQ:",), Ended("a", "stop", "\nQ:", 3)),
        # The first that is complete ends it, also where another one had begun.
        (["a", "<x", " y", ">"], ("<x y>", " y"), Ended("a<x", "stop", " y", 3)),
        (["x", "stop", "stop"], ("stop",), Ended("x", "stop", "stop", 2)),
    ],
)
def test_a_row_is_read_as_it_ended(row, stop, ended):
    assert read(row, *stop) == ended


def test_a_row_ends_with_the_token_that_completes_a_stop_string():
    endings = Endings(Pieces(), [END], ("\nQ:",))
    assert endings.whole(["6", "\n", "Q", ": 7", "8"]) == ["6", "\n", "Q", ": 7"]
    assert endings.whole(["6", END]) == ["6", END]
    assert Endings(None, [END]).whole(["\nQ:", "x"]) == ["\nQ:", "x"]


def test_a_stop_string_is_seen_within_the_tokens_since_it_was_last_asked():
    """Wherever it begins and however it falls into tokens, by a tail of the row alone."""
    tokenizer = Pieces()
    endings = Endings(tokenizer, [END], ("\nQ:",))
    for since in range(STOP_EVERY):
        row = [*["word "] * 500, "\n", "Q", ":", *["more "] * since]
        assert endings.said([row, row[:502]]) == [True, False]
    assert tokenizer.longest <= STOP_EVERY + len("\nQ:") + 1
