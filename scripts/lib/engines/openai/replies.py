"""Reading the JSON of an OpenAI-compatible server: nothing in it is taken for granted."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from scripts.lib.engines.openai.bill import Tokens
from scripts.lib.engines.verdicts import unweighed, weighed
from scripts.lib.models.thoughts import split_thought

UNKNOWN = "unknown"
"""The reason of a completion whose server gives one that we do not know, or nothing but that, though asked
again: no trainer, vote or judge takes it."""
REASONS = {
    "stop": "stop complete completed eos eos_token end_turn end_of_sequence stop_sequence stop_token",
    "length": "length max_length max_tokens max_new_tokens max_output_tokens max_completion_tokens "
    "token_limit model_length model_context_window_exceeded context_length_exceeded context_window_exceeded",
    "content_filter": "content_filter content_filtered content_policy_violation filtered blocked blocklist "
    "safety image_safety sensitive recitation prohibited_content spii refusal moderation guardrail "
    "guardrail_intervened guardrails error_toxic",
    None: "error abort aborted cancelled canceled failed interrupted timeout network_error server_error "
    "internal_error insufficient_system_resource engine_overloaded overloaded unavailable",
}
"""Ours (None: the server broke off, ask again) and the words of servers for it: OpenAI, Anthropic, Gemini,
Mistral, DeepSeek, z.AI, Cohere, Bedrock, TGI, vLLM, SGLang."""
_OURS = {word: reason for reason, words in REASONS.items() for word in words.split()}
_DRESS = re.compile(r"^finish_?reason[._]|:.*$|-", re.S)
"""What proxies put around a reason: "FinishReason.STOP", "content_filter: SAFETY"."""


def reason_of(stated: object) -> str | None:
    """A server's finish reason in our words; None where it broke off, UNKNOWN for a strange one."""
    word = _DRESS.sub(lambda found: "_" if found[0] == "-" else "", str(stated).strip().lower())
    return _OURS.get(word, UNKNOWN)


THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
"""Keys of a message under which servers put the thought: DeepSeek, vLLM and others, OpenRouter."""
DEPTH = 4
"""How deep the parts of a message nest, at most."""


class Choice(NamedTuple):
    """A choice of a reply: its text, the finish reason (None: the server states none), and the thought before
    the text (None: none is shown)."""

    text: str
    reason: str | None
    reasoning: str | None = None

    @property
    def characters(self) -> int:
        """Of thought and text."""
        return len(self.text) + len(self.reasoning or "")


def read_choice(choice: object, stops: Sequence[str] = (), opened: bool = False) -> Choice | None:
    """A choice, its text cut before the first stop string; None for a broken choice.

    A refusal or a filter may leave no text, and so may a thought: it is kept, "". `opened`: the prompt opens
    the thought.
    """
    if not isinstance(choice, dict) or choice.get("error"):
        return None
    stated = choice.get("finish_reason")
    reason = reason_of(stated) if stated else None
    if stated and reason is None:
        return None
    text, thought = choice.get("text"), ""
    if isinstance(message := choice.get("message"), dict):
        text = message.get("content")
        thought = next(filter(None, (_text(message.get(key)) for key in THOUGHTS)), "")
        text = message.get("refusal") if text is None else text
    if isinstance(text, list):
        thought = thought or _text([part for part in text if _is_thought(part)])
        text = _text([part for part in text if not _is_thought(part)])
    whole = reason == "content_filter" or (reason and ("text" in choice or isinstance(message, dict)))
    if not isinstance(text, str) and (text is not None or not whole):
        return None
    inside, text, *_ = split_thought(text or "", opened)
    reasoning = "\n\n".join(filter(None, (thought.strip(), inside))) or None
    text = text.lstrip() if reasoning else text
    cut = min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
    return Choice(text, reason, reasoning) if cut is None else Choice(text[:cut], "stop", reasoning)


def as_verdict(choice: Choice, raw: dict, words: Sequence[str]) -> Choice:
    """A choice of one token, its text how likely each of `words` was there, where the server says so; one
    token is all that was asked for, so it is not cut off."""
    reason = "stop" if choice.reason == "length" else choice.reason
    chances = list(_likeliest(raw.get("logprobs")))
    return Choice(weighed(chances, words) if chances else unweighed(choice.text), reason, choice.reasoning)


def _likeliest(logprobs: object) -> Iterator[tuple[str, float]]:
    """The tokens that a reply may have begun with, each with its probability, as far as a server names
    them."""
    found = logprobs if isinstance(logprobs, dict) else {}
    content, texts = found.get("content"), found.get("top_logprobs")
    if isinstance(content, list) and content and isinstance(content[0], dict):
        listed = content[0].get("top_logprobs")
        tops = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        pairs = [(each.get("token"), each.get("logprob")) for each in tops]
    elif isinstance(texts, list) and texts and isinstance(texts[0], dict):
        pairs = list(texts[0].items())
    else:
        pairs = []
    for token, logprob in pairs:
        if isinstance(token, str) and isinstance(logprob, int | float) and logprob <= 0:
            yield token, math.exp(logprob)


def _is_thought(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in ("thinking", "reasoning")


def _text(value: object, depth: int = DEPTH) -> str:
    """The text of a message's value: itself, or that of its parts."""
    if isinstance(value, list) and depth:
        return "".join(_text(part, depth - 1) for part in value)
    if isinstance(value, dict) and depth:
        keys = ("text", "thinking", "summary")
        return next(filter(None, (_text(value.get(key), depth - 1) for key in keys)), "")
    return value if isinstance(value, str) else ""


def listed(choices: object) -> list:
    """Choices in the order of their index."""
    found = choices if isinstance(choices, list) else []
    if any(not isinstance(each, dict) or not isinstance(each.get("index"), int) for each in found):
        return found
    return sorted(found, key=lambda each: each["index"])


def usage_of(usage: object) -> Tokens | None:
    """What the server counted; None where it did not.

    Thoughts are paid as completion tokens. Servers that leave them out of these (xAI, Gemini) count them in
    the total.
    """
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    total = _count(usage.get("total_tokens")) or 0
    return Tokens(prompt, max(completion, total - prompt))


def reasoning_of(usage: object) -> int | None:
    """Tokens of the thoughts among a reply's completion tokens, as the server counts them; None where it does
    not."""
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None


def _count(value: object) -> int | None:
    number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return cast("int", value) if number else None


def share_reasoning(total: int | None, found: Sequence[Choice], tokens: Sequence[int]) -> list[int | None]:
    """Tokens of each choice's thought, by their characters, or by the choices' `tokens` where no thought is
    shown."""
    weights = [len(choice.reasoning or "") for choice in found]
    weights = weights if any(weights) else list(tokens)
    if total is None or not any(weights):
        return [None] * len(found)
    return [min(each, most) for each, most in zip(split(total, weights), tokens, strict=True)]


def of_all(counted: Tokens, timings: object, found: Sequence[Choice], longest: int) -> Tokens:
    """The tokens of all choices, where the server may have counted the first alone, as llama.cpp's does.

    Its `timings` give that away, and so does a choice that was cut off, of the longest length, where the
    count leaves nothing for the others. These are then estimated by the first one's characters per token.
    """
    total, first = counted.completion, found[0]
    if len([choice for choice in found if choice.characters]) < 2:
        return counted
    alone = isinstance(timings, dict) and timings.get("predicted_n") == total
    if not alone and (total > longest or all(choice.reason != "length" for choice in found)):
        return counted
    each = total / max(first.characters, 1)
    others = [
        longest if choice.reason == "length" else min(round(choice.characters * each), longest)
        for choice in found[1:]
    ]
    return Tokens(counted.prompt, total + sum(others))


def share(total: int, found: Sequence[Choice], longest: int) -> list[int]:
    """Tokens of each choice, where the server counts those of a reply: they add up to its total.

    A choice that was cut off has the longest length; the others go by their characters, none above that
    length.
    """
    room = dict.fromkeys(range(len(found)), longest)
    parts = [longest if reason == "length" else 0 for _, reason, _ in found]
    if sum(parts) <= total:
        room = {place: longest for place in room if not parts[place]}
    else:
        parts = [0] * len(found)
    while room:
        weights = [found[place].characters + 1 for place in room]
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
