"""Look-alikes of a text in one form."""

import pytest

from scripts.lib.tasks.reading.folding import folded


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Sc\u00f3re", "Score"),
        ("Sco\u0301re", "Score"),
        ("Sc\u200bore", "Score"),
        ("\uff33core \u0663", "Score 3"),
    ],
)
def test_accents_and_what_shows_nothing_are_left_out(text, form):
    assert folded(text)[0] == form
