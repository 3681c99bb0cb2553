"""What is quoted from elsewhere moves no cursor, sets no colour and stays one line."""

import pytest

from scripts.lib.errors import UserError, nearest, visible

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;owned\x07 \x9b2J a\x00b \u202egpj.exe\u2066 \ud83d \U000e0041"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x\x1b[31mRED", "x\\x1b[31mRED"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten\x08", "over\\rwritten\\x08"),
        ("a\x00b", "a\\x00b"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("half \ud83d", "half \\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("line\n\tnext, é 漢 🎉 \u200d", "line\n\tnext, é 漢 🎉 \u200d"),
    ],
)
def test_text_is_shown_as_it_is_written(text: str, shown: str) -> None:
    assert visible(text) == visible(shown) == shown


def test_an_error_is_one_visible_line() -> None:
    said = str(UserError(f"the server says\n {HOSTILE}\r\n;  mend it"))
    assert said.startswith("the server says \\x1b[31mred\\x1b[0m \\x1b]0;owned\\x07 \\x9b2J a\\x00b")
    assert said.endswith("; mend it") and said.isprintable()


def test_the_nearest_name() -> None:
    assert nearest("gms8k", ["gsm8k", "world"]) == "did you mean 'gsm8k'?"
    assert nearest("x", []) == "known: none"
