"""Text as tokens: the name of a special token that a user or a model has written is text, and never ends a
turn.

A tokenizer finds special tokens in whatever it reads. Where a text from outside holds the name of one, a sign
of two private characters stands for it (`hidden`) while templates are rendered and tokens are made by a copy
of the tokenizer that knows these signs (`ids_of`); then the tokens of the name's letters take its place. All
other texts are tokenized as ever.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

_SIGN = re.compile("\U0010fffd[\U000f0000-\U000ffffd]")


def _sign(number: int) -> str:
    return f"\U0010fffd{chr(0xF0000 + number)}"


@cache
def _names(tokenizer) -> dict[str, int]:
    """The special tokens, by the names that a tokenizer looks for in texts; an unknown word's is none."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {str(token): number for number, token in added.items() if token.special}
    return {name: number for name, number in special.items() if number != tokenizer.unk_token_id}


@cache
def _pattern(tokenizer) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(_names(tokenizer), key=len, reverse=True))) or r"(?!)")


def hidden(tokenizer, given: Any) -> Any:
    """A text, or a list or mapping of texts, with a sign in place of each special token's name."""
    if isinstance(given, str):
        numbers = {name: number for number, name in enumerate(_names(tokenizer))}
        return _pattern(tokenizer).sub(lambda found: _sign(numbers[found[0]]), given)
    if isinstance(given, Mapping):
        return {key: hidden(tokenizer, value) for key, value in given.items()}
    return [hidden(tokenizer, each) for each in given] if isinstance(given, Sequence) else given


def ids_of(tokenizer, texts: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
    """The token ids of texts in which names of special tokens are `hidden`."""
    rows = tokenizer(list(texts), add_special_tokens=add_special_tokens)["input_ids"]
    holding = [number for number, text in enumerate(texts) if _SIGN.search(text)]
    if holding:
        knowing, letters = _knowing(tokenizer)
        again = knowing([texts[number] for number in holding], add_special_tokens=add_special_tokens)
        for number, row in zip(holding, again["input_ids"], strict=True):
            rows[number] = [each for token in row for each in letters.get(token, [token])]
    return rows


@cache
def _knowing(tokenizer) -> tuple[Any, dict[int, list[int]]]:
    """A tokenizer that knows the signs, and what stands for each: the ids of its name's letters."""
    from transformers import AddedToken

    names, knowing = _names(tokenizer), copy.deepcopy(tokenizer)
    signs = [_sign(number) for number in range(len(names))]
    knowing.add_tokens([AddedToken(sign, normalized=False) for sign in signs])
    spelt = tokenizer(list(names), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    unknown = [] if tokenizer.unk_token_id is None else [tokenizer.unk_token_id]
    control = set(names.values())
    plain = [
        [each for token in row for each in ([token] if token not in control else unknown)] for row in spelt
    ]
    return knowing, dict(zip(knowing.convert_tokens_to_ids(signs), plain, strict=True))
