"""What a reasoning model thinks before it replies, told from the reply, in the forms that models write.

Rules, so that a plain text that speaks of a tag loses nothing:

- A thought begins where the text does. A text that began with one may have more, on lines of their own; what
  it said before the last of them is a draft.
- A closing tag alone ends a thought that the prompt opened (a chat template that ends in `<think>`), where no
  opening tag stands before it.
- A tag in quotation marks or backticks, or one that is called a tag, is spoken of.
- Tags that a prompt has to ask for (`<reasoning>`, `<scratchpad>`, `<answer>`) are the reply's own.

Known are the tags of `FORMS` and gpt-oss's channels (harmony), raw or stripped of their special tokens, of
which `final` is the reply. A text is looked at once by every rule: time is linear in its length.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FORMS = {
    "<think>": "</think>",  # DeepSeek-R1, Qwen3 and most others
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",  # Gemini, EXAONE Deep
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "<longcat_think>": "</longcat_think>",
    "[think]": "[/think]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|start_thinking|>": "<|end_thinking|>",  # Command A Reasoning
    "<|begin_of_thought|>": "<|end_of_thought|>",  # OpenThinker
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|channel>thought": "<channel|>",  # Gemma 4
}
"""The tags that open a thought and those that close it, in small letters; models write them in any case."""
HINTS = (
    *("hink>", "HINK>", "hink]", "HINK]", "hink▷", "hinking>", "HINKING", "hinking|>"),
    *("hought>", "HOUGHT>", "hought|>", "<|inner_", "channel|>", "|channel>", "assistantfinal"),
)
"""Every text with a thought holds one of these, or begins as `ANALYSIS`; few others do."""
ANALYSIS = r"\s*(?:assistant)?analysis\S"
"""How harmony begins where its special tokens were stripped."""

_CLOSES = {closing: opening for opening, closing in FORMS.items()}
_HARMONY_TOKENS = {f"<|{word}|>" for word in ("start", "channel", "message", "constrain", "end", "return")}
_REPLY_OPENS = ("<|begin_of_solution|>", "<|start_response|>")
_REPLY_CLOSES = ("<|end_of_solution|>", "<|end_response|>")


def _one_of(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, words))


_ANALYSIS = re.compile(ANALYSIS)
_TAG = re.compile(_one_of([*FORMS, *_CLOSES]), re.I)
_PROMPT_END = re.compile(rf"(?:{_one_of([*FORMS])}|<\|channel\|>analysis<\|message\|>)\s*\Z", re.I)
_FIRST = re.compile(rf"\s*(?:{_one_of([*FORMS])})", re.I)
_QUOTED_FROM = re.compile(r"(?:^|[^\w.!?])[`'\"]\Z|[‘“«„]\Z")
"""How quotation marks open: behind a word, straight ones close what stands before them."""
_QUOTED_TO = frozenset("`'\"’”»")
_CALLED = re.compile(r"['\"`]?\s{1,3}(?:tag|token|marker|delimiter)s?\b", re.I)
_BEFORE_REPLY = re.compile(rf"(?:\s|{_one_of(_REPLY_OPENS)})*", re.I)
_BEHIND_REPLY = re.compile(_one_of(_REPLY_CLOSES), re.I)

_CHANNEL = r"<\|channel\|>{}(?:[^<]|<\|constrain\|>){{0,60}}<\|message\|>"
_ASSISTANT = r"<\|start\|>assistant\s?"
_HARMONY = re.compile(rf"\s*(?:{_ASSISTANT})?<\|channel\|>")
_FINAL = re.compile(rf"(?:{_ASSISTANT})?" + _CHANNEL.format(r"\s?final"))
_HANDED_OVER = re.compile(r"<\|end\|>\s?" + _ASSISTANT + _CHANNEL.format(r"\s?final"))
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_HEAD = re.compile(rf"(?:<\|start\|>[^<]{{0,60}})?{_CHANNEL.format('')}|<\|(?:end|return|call|start)\|>")


class Parts(NamedTuple):
    """A text taken apart.

    reasoning: the thought, None where there is none.
    reply: the part of the text after it, "" where the thought was cut off.
    closed: whether the text came to its reply; one without a thought did.
    start: where in the text the reply begins.
    """

    reasoning: str | None
    reply: str
    closed: bool
    start: int


class ThoughtForm(NamedTuple):
    """How a model writes a thought and the reply behind it.

    opening, closing: what stands before the thought and between it and the reply.
    opened: whether the prompt opens the thought.
    """

    opening: str = "<think>\n"
    closing: str = "\n</think>\n\n"
    opened: bool = False

    def written(self, reasoning: str | None, reply: str) -> str:
        """The completion that says both; without a thought, one that the prompt opens is closed at once."""
        if reasoning:
            return self.opening + reasoning + self.closing + reply
        return (self.closing if self.opened else "") + reply


def opens_thought(prompt: str) -> bool:
    """Whether a rendered prompt ends by opening a thought, so that the completion begins within it."""
    return bool(_PROMPT_END.search(prompt[-80:]))


def usual_form(prompt: str) -> ThoughtForm:
    """How a thought is written behind a rendered prompt where nothing says it: in `<think>` and `</think>`,
    of which the prompt may have opened the first."""
    return ThoughtForm("", opened=True) if opens_thought(prompt) else ThoughtForm()


def split_thought(text: str, opened: bool = False) -> Parts:
    """The thought and the reply of a completion; `opened`: its prompt opens the thought (`opens_thought`)."""
    if not (opened or _ANALYSIS.match(text) or any(hint in text for hint in HINTS)):
        return Parts(None, text, True, 0)
    return _harmony(text, opened) or _stripped_harmony(text) or _tagged(text, opened)


def _tagged(text: str, opened: bool) -> Parts:
    thoughts, at = [], 0
    inside = "any" if opened and not _FIRST.match(text) else ""
    for tag in _tags(text):
        name = tag[0].lower()
        if inside:
            if name in _CLOSES and inside in ("any", _CLOSES[name]):
                thoughts.append(text[at : tag.start()])
                at, inside = tag.end(), ""
            continue
        draft = text[at : tag.start()]
        if name in FORMS:
            if draft.strip() and not (thoughts and draft.endswith("\n")):
                break
            inside = name
        thoughts.append(draft)
        at = tag.end()
    if inside:
        return _cut_off(text, [*thoughts, text[at:]])
    return _replied(text, thoughts, at, len(text)) if thoughts else Parts(None, text, True, 0)


def _tags(text: str) -> Iterator[re.Match]:
    """The tags that a text uses, without those that it speaks of."""
    for tag in _TAG.finditer(text):
        quoted = text[tag.end() : tag.end() + 1] in _QUOTED_TO and _QUOTED_FROM.search(
            text[max(0, tag.start() - 2) : tag.start()]
        )
        if not quoted and not _CALLED.match(text, tag.end()):
            yield tag


def _harmony(text: str, opened: bool) -> Parts | None:
    if "<|channel|>" not in text:
        return None
    begins = opened or _HARMONY.match(text)
    finals = list((_FINAL if begins else _HANDED_OVER).finditer(text))
    if not finals:
        return _cut_off(text, _HEAD.split(text)) if begins else None
    start = finals[-1].end()
    end = _MESSAGE_END.search(text, start)
    return _replied(text, _HEAD.split(text[: finals[-1].start()]), start, end.start() if end else len(text))


def _stripped_harmony(text: str) -> Parts | None:
    head = _ANALYSIS.match(text)
    if not head:
        return None
    thought, handed_over, _ = text[head.end() - 1 :].partition("assistantfinal")
    if handed_over:
        start = head.end() - 1 + len(thought) + len(handed_over)
        return _replied(text, [thought], start, len(text))
    return _cut_off(text, [thought]) if thought[0].isupper() else None


def _replied(text: str, thoughts: list[str], start: int, end: int) -> Parts:
    found = _BEFORE_REPLY.match(text, start, end)
    start = found.end() if found else start
    closing = _BEHIND_REPLY.search(text, start, end)
    return Parts(_joined(thoughts), text[start : closing.start() if closing else end], True, start)


def _cut_off(text: str, thoughts: list[str]) -> Parts:
    return Parts(_joined(thoughts), "", False, len(text))


def _joined(thoughts: list[str]) -> str | None:
    return "\n\n".join(filter(None, map(str.strip, thoughts))) or None


def decoded(tokenizer, rows: Sequence[Sequence[int]]) -> list[str]:
    """Rows of token ids as texts, without special tokens but for those that tell a thought from a reply."""
    if not rows:
        return []  # `batch_decode` takes no rows for one row without tokens
    special = {at: str(token) for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    harmony = _HARMONY_TOKENS if "<|channel|>" in special.values() else set()
    telling = {at for at, token in special.items() if token in harmony or _tells(token)}
    if not telling or not any(telling.intersection(row) for row in rows):
        return tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    kept = [[token for token in row if token in telling or token not in special] for row in rows]
    return tokenizer.batch_decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _tells(token: str) -> bool:
    """Whether a special token is a tag of `FORMS`, or its first word, or wraps the reply."""
    name = token.lower()
    wraps = name in (*_REPLY_OPENS, *_REPLY_CLOSES)
    return wraps or name in _CLOSES or any(opening.startswith(name) for opening in FORMS)
