"""Reading the JSON of an OpenAI-compatible server: nothing in it is taken for granted."""

from collections.abc import Sequence
from typing import Any

from scripts.lib.engines.openai.bill import Tokens

REASONS = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
BROKEN = {"error", "abort"}
"""Reasons of a completion that its server did not finish."""


def read_choice(choice: object, stops: Sequence[str] = ()) -> tuple[str, str | None] | None:
    """Text and finish reason of a choice, cut before the first stop string; None for a broken choice.

    The reason is None where the server states none that we know. A refusal or a filter may leave no text:
    it is kept, "".
    """
    if not isinstance(choice, dict) or choice.get("error") or choice.get("finish_reason") in BROKEN:
        return None
    reason = REASONS.get(str(choice.get("finish_reason")))
    text = choice.get("text")
    if isinstance(message := choice.get("message"), dict):
        text = message.get("content")
        text = message.get("refusal") if text is None else text
    if isinstance(text, list):
        text = "".join(str(part.get("text", "")) for part in text if isinstance(part, dict))
    stated = reason == "content_filter" or (reason and ("text" in choice or isinstance(message, dict)))
    if not isinstance(text, str) and (text is not None or not stated):
        return None
    text = text or ""
    cut = min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
    return (text, reason) if cut is None else (text[:cut], "stop")


def listed(choices: object) -> list:
    """Choices in the order of their index."""
    found = choices if isinstance(choices, list) else []
    if any(not isinstance(each, dict) or not isinstance(each.get("index"), int) for each in found):
        return found
    return sorted(found, key=lambda each: each["index"])


def usage_of(usage: object) -> Tokens | None:
    """What the server counted; None where it did not."""
    if not isinstance(usage, dict):
        return None
    counts: tuple[Any, Any] = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if any(not isinstance(each, int) or isinstance(each, bool) or not 0 <= each < 2**31 for each in counts):
        return None
    return Tokens(*counts)


def share(total: int, found: Sequence[tuple[str, str | None]], longest: int) -> list[int]:
    """Tokens of each choice (text, reason), where the server counts those of a reply:
    they add up to its total.

    A choice that was cut off has the longest length; the others go by their characters, none above that
    length.
    """
    room = dict.fromkeys(range(len(found)), longest)
    parts = [longest if reason == "length" else 0 for _, reason in found]
    if sum(parts) <= total:
        room = {place: longest for place in room if not parts[place]}
    else:
        parts = [0] * len(found)
    while room:
        weights = [len(found[place][0]) + 1 for place in room]
        shares = dict(zip(room, split(total - sum(parts), weights), strict=True))
        over = [place for place, number in shares.items() if number > longest]
        if not over:
            over = list(room)
        for place in over:
            parts[place] = min(shares[place], longest)
            del room[place]
    left = split(total - sum(parts), [1] * len(found))
    return [part + more for part, more in zip(parts, left, strict=True)]


def split(total: int, weights: Sequence[int]) -> list[int]:
    """A whole number cut in proportion to weights; the parts add up to it."""
    ends = [0]
    for weight in weights:
        ends.append(ends[-1] + weight)
    cuts = [round(total * end / ends[-1]) for end in ends]
    return [right - left for left, right in zip(cuts, cuts[1:], strict=False)]
