"""From a question to what a model is shown: one template a task, the same for sampling, training and reward.

A template is a file of `config/prompts/`, sandboxed Jinja over `question`, `options` and `shots`, worked
examples of other questions (question, options, answer: `tables.SHOT`). With `chat` the text
becomes one user message in the tokenizer's chat template; without, the tokenizer reads it as it stands and
adds its own BOS once. What a template sets as `system` is the system message, or stands before the rest where
there is no chat; the list that it sets as `stop` are the strings that end a completion.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import nodes

from scripts.lib.errors import UserError
from scripts.lib.models.chat import chat_template
from scripts.lib.models.literal import hidden, ids_of
from scripts.lib.models.sandbox import Source, compiled, render, tried
from scripts.lib.models.thoughts import ThoughtForm, usual_form

_MARK = "question-of-redistill"
_RESPONSE = "response-of-redistill"
"""What templates are tried with."""
_SHOT = {"question": "another question", "options": ["a", "b"], "answer": "an answer"}
_TRIALS = [
    {"question": _MARK, "options": options, "shots": shots}
    for options, shots in (([], []), ([_RESPONSE, "b"], []), (["a", "b"], [_SHOT]))
]

Shot = Mapping[str, Any]


def source_of(path: Path) -> Source:
    """A prompt file as a template. Raises UserError where it cannot be read."""
    if not path.is_file():
        raise UserError(f"prompt template {path} does not exist; name a file of config/prompts")
    try:
        return Source(path.read_text(encoding="utf-8"), f"prompt template {path}", strict=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prompt template {path} cannot be read ({error}); save it as UTF-8") from None


def check(sources: Sequence[Source], judges: bool = False) -> None:
    """Raise UserError for a template that no question can be rendered by, or that leaves the question out; of
    one that `judges`, the response, which is its one option."""
    for source, renderings in zip(sources, tried(tuple(sources), json.dumps(_TRIALS)), strict=True):
        if all(each.error for each in renderings):
            raise UserError(renderings[-1].error)
        if any(_MARK not in each.text.casefold() for each in renderings if not each.error):
            raise UserError(f"{source.name} leaves the question out; write {{{{ question }}}} into it")
        if judges and _RESPONSE not in renderings[1].text.casefold():
            raise UserError(f"{source.name} leaves the response out; write {{{{ options[0] }}}} into it")


def stops_of(source: Source) -> tuple[str, ...]:
    """What a template sets as `stop`. Raises UserError unless it is a list of strings, written out: nothing
    is computed."""
    tree = compiled(source).environment.parse(source.text)
    found: tuple[Any, ...] = ()
    for each in tree.find_all((nodes.Assign, nodes.AssignBlock)):
        node: Any = each
        if getattr(node.target, "name", None) == "stop":
            listed = node.node.items if isinstance(getattr(node, "node", None), nodes.List) else [None]
            found = tuple(getattr(item, "value", None) for item in listed)
    if not all(isinstance(string, str) and string for string in found):
        raise UserError(
            f'{source.name}: stop is a list of strings, written out: {{% set stop = ["\\nQ:"] %}}; mend it'
        )
    return found


@dataclass(frozen=True)
class PromptTemplate:
    """A prompt file, and how a model is shown it: `Prompting`'s settings, and `stop` in place of the file's
    stop strings where it is not None."""

    path: Path
    chat: bool
    system: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    stop: tuple[str, ...] | None = None

    @cached_property
    def _source(self) -> Source:
        source = source_of(Path(self.path))
        check([source])
        return source

    def _parts(self, question: str, options: Sequence[str], shots: Sequence[Shot]) -> tuple[str, str]:
        """The system message, the model's before the template's ("" where there is none), and the rest."""
        given = {"question": question, "options": list(options or ()), "shots": list(shots or ())}
        own, user = render(self._source, given)
        system = [(self.system or "").strip("\n"), own.strip("\n")]
        return "\n\n".join(filter(None, system)), user

    @cached_property
    def stops(self) -> tuple[str, ...]:
        """The strings that end a completion."""
        return stops_of(source_of(Path(self.path))) if self.stop is None else self.stop

    def text(self, question: str, options: Sequence[str] = (), shots: Sequence[Shot] = ()) -> str:
        """The rendered template. One newline at the file's end is dropped; raises UserError on a template's
        mistake."""
        return "\n\n".join(part for part in self._parts(question, options, shots) if part)

    def messages(
        self, question: str, options: Sequence[str] = (), shots: Sequence[Shot] = ()
    ) -> list[dict[str, str]]:
        """The rendered template as one user message, after a system message where it sets one."""
        system, user = self._parts(question, options, shots)
        before = [{"role": "system", "content": system}] if system else []
        return [*before, {"role": "user", "content": user}]


def thought_form(tokenizer, template: PromptTemplate) -> ThoughtForm:
    """How a model that is shown such prompts writes a thought: its chat template's way, where it has one."""
    if template.chat:
        return chat_template(tokenizer, template.chat_template_kwargs).thought
    return usual_form(Path(template.path).read_text(encoding="utf-8"))


def render_text(
    tokenizer,
    template: PromptTemplate,
    question: str,
    options: Sequence[str] = (),
    shots: Sequence[Shot] = (),
) -> str:
    """The prompt as text, chat template applied; for people and for keys, never tokenized again."""
    if template.chat:
        return chat_template(tokenizer, template.chat_template_kwargs).text(
            template.messages(question, options, shots)
        )
    return template.text(question, options, shots)


def render_ids(
    tokenizer,
    template: PromptTemplate,
    question: str,
    options: Sequence[str] = (),
    shots: Sequence[Shot] = (),
) -> list[int]:
    """The prompt as token ids: those of the chat template's text, or of the plain text with the tokenizer's
    BOS once.

    Special tokens are those of the templates: what is written in a question, its options or shots is text.
    """
    text = render_text(tokenizer, template, *hidden(tokenizer, [question, options, shots]))
    ids = ids_of(tokenizer, [text], add_special_tokens=not template.chat)[0]
    return ids[:-1] if not template.chat and ids and ids[-1] == tokenizer.eos_token_id else ids
