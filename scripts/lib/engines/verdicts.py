"""One-token judgements: how likely each verdict is, as an engine says it in a completion's text."""

import json
from collections.abc import Collection, Iterable

_DRESS = " \t\n.*_`\"'\u2581\u0120"
"""What stands around a verdict and says nothing; the last two are tokenizers' blanks."""


def bare(token: str) -> str:
    """A token as a word."""
    return token.strip(_DRESS).casefold()


def weighed(chances: Iterable[tuple[str, float]], words: Collection[str]) -> str:
    """The probabilities of `words` as JSON, by those of tokens, in whichever spelling."""
    found: dict[str, float] = {}
    for token, chance in chances:
        if (word := bare(token)) in words:
            found[word] = found.get(word, 0.0) + chance
    return json.dumps({word: round(found[word], 6) for word in sorted(found)})


def unweighed(text: str) -> str:
    """A model's text where no probabilities are told: in quotes where it begins as `weighed` does, so that a
    model cannot write its own."""
    return json.dumps(text) if text.lstrip().startswith("{") else text
