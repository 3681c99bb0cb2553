"""Chat templates: messages -> the text that a chat model is shown, as transformers renders it.

Models differ in what they take. Some refuse a system message or leave it out: its text then stands before the
user's. Some take content in parts, a list of {type: text, text: ...}. Which is tried once, by what comes out.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scripts.lib.errors import UserError
from scripts.lib.models.sandbox import Source, Tried, render, tried
from scripts.lib.models.thoughts import ThoughtForm, opens_thought, usual_form

Messages = Sequence[Mapping[str, str]]
_SYSTEM, _USER = "system-of-redistill", "question-of-redistill"
_TOKENS = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_ALONE: Messages = [{"role": "user", "content": _USER}]
_THOUGHT, _REPLY = "thought-of-redistill", "reply-of-redistill"
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
"""Where templates look for a message's thought: Qwen's and most, others', gpt-oss's."""
_BOTH: Messages = [{"role": "system", "content": _SYSTEM}, *_ALONE]


@dataclass(frozen=True)
class Takes:
    """What a chat template shows of messages."""

    system: bool
    """A system message."""
    parts: bool
    """Content as a list of parts, not as a text."""


@dataclass(frozen=True)
class ChatTemplate:
    """A model's chat template with the special tokens and other names that it may use (`bos_token`,
    `enable_thinking`)."""

    source: Source
    arguments: tuple[tuple[str, Any], ...]

    @cached_property
    def takes(self) -> Takes:
        """Raises UserError where it renders no question."""
        forms = [(messages, parts) for parts in (False, True) for messages in (_BOTH, _ALONE)]
        given = json.dumps([self._given(messages, parts) for messages, parts in forms])
        renderings = tried((self.source,), given)[0]
        for parts in (False, True):
            both, alone = renderings[2 * parts : 2 * parts + 2]
            if _shows(both, _SYSTEM) and _shows(both, _USER):
                return Takes(system=True, parts=parts)
            if _shows(alone, _USER):
                return Takes(system=False, parts=parts)
        why = renderings[1].error or "its rendering lacks the question"
        raise UserError(f"{self.source.name} renders no user message ({why}); use chat: false, or mend it")

    def text(self, messages: Messages) -> str:
        """The prompt up to where the model's reply begins."""
        if not self.takes.system and messages[0]["role"] == "system":
            _say(f"{self.source.name} shows no system message: the system text stands before the user's")
            system, first, *rest = messages
            joined = f"{system['content']}\n\n{first['content']}"
            messages = [{"role": first["role"], "content": joined}, *rest]
        return render(self.source, self._given(messages, self.takes.parts))[1]

    @cached_property
    def thought(self) -> ThoughtForm:
        """How a reply's thought is written: as the template shows it behind a prompt, else between `<think>`
        and `</think>`."""
        prompt = self.text(_ALONE)
        said = {"role": "assistant", "content": _REPLY} | dict.fromkeys(_THOUGHT_KEYS, _THOUGHT)
        given = self._given([*_ALONE, said], self.takes.parts) | {"add_generation_prompt": False}
        try:
            before, thought, rest = render(self.source, given)[1].partition(_THOUGHT)
        except UserError:  # it takes no replies
            before, thought, rest = "", "", ""
        closing, reply, _ = rest.partition(_REPLY)
        if thought and reply and before.startswith(prompt):
            return ThoughtForm(before.removeprefix(prompt), closing, opens_thought(prompt))
        return usual_form(prompt)

    def _given(self, messages: Messages, parts: bool) -> dict[str, Any]:
        shown: list[Mapping[str, Any]] = list(messages)
        if parts:
            shown = [{**each, "content": [{"type": "text", "text": each["content"]}]} for each in shown]
        return dict(self.arguments) | {
            "messages": shown,
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
        }


def _shows(tried: Tried, mark: str) -> bool:
    return not tried.error and mark in tried.text


@cache
def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@cache
def _template(text: str, model: str, arguments: str) -> ChatTemplate:
    source = Source(text, f"the chat template of {model}", strict=False)
    return ChatTemplate(source, tuple(json.loads(arguments).items()))


def chat_template(tokenizer, arguments: Mapping[str, Any] = MappingProxyType({})) -> ChatTemplate:
    """A tokenizer's chat template, of several the one named default, with a user's `arguments`. Raises
    UserError where it has none."""
    found, model = getattr(tokenizer, "chat_template", None), tokenizer.name_or_path or "this model"
    return _default(found, model, tokenizer.special_tokens_map | dict(arguments))


def saved_template(folder: Path, model: str, arguments: Mapping[str, Any]) -> ChatTemplate | None:
    """The chat template that a model's tokenizer will have, from its files alone; None where they are not all
    in the folder. Raises UserError where they say none, or cannot be read."""
    config, alone = folder / "tokenizer_config.json", folder / "chat_template.jinja"
    if not config.is_file():
        return None
    settings = _settings(config)
    try:
        found = alone.read_text(encoding="utf-8") if alone.is_file() else settings.get("chat_template")
    except (OSError, ValueError) as error:
        raise UserError(f"{config.parent}: the tokenizer's files cannot be read ({error})") from None
    if isinstance(found, list):
        found = {each["name"]: each["template"] for each in found}
    return _default(found, model, _special(settings) | dict(arguments))


def told_template(folder: Path, model: str, arguments: Mapping[str, Any]) -> ChatTemplate | None:
    """`saved_template` where the tokenizer can have no other; None where one of the special tokens that it
    uses is not in the files, or is another one in each."""
    found, more = saved_template(folder, model, arguments), folder / "special_tokens_map.json"
    if found is None:
        return None
    given, others = dict(found.arguments), _special(_settings(more)) if more.is_file() else {}
    used = [name for name in _TOKENS if name in found.source.text and name not in arguments]
    agreed = all(name in given and others.get(name, given[name]) == given[name] for name in used)
    return found if agreed else None


def _settings(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file.parent}: the tokenizer's files cannot be read ({error})") from None


def _special(settings: Mapping[str, Any]) -> dict[str, str]:
    """The special tokens of a tokenizer's file."""
    return {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in settings.items()
        if name in _TOKENS and value is not None
    }


def _default(found: str | Mapping[str, str] | None, model: str, given: Mapping[str, Any]) -> ChatTemplate:
    if isinstance(found, Mapping):
        found = found.get("default")
    if not found:
        raise UserError(
            f"the tokenizer of {model} has no chat template; use chat: false (--no-chat), or a model with one"
        )
    return _template(found, model, json.dumps(given, default=str))
