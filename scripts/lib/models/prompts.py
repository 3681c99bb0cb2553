"""From a question to what a model is shown: one template a task, the same for sampling, training and reward.

A template is a file of `config/prompts/`, sandboxed Jinja over `question`, `options` and `shots`, worked
examples of other questions (question, options, answer: `tables.SHOT`). With `chat` the text
becomes one user message in the tokenizer's chat template; without, the tokenizer reads it as it stands and
adds its own BOS once. What a template sets as `system` is the system message, or stands before the rest where
there is no chat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.lib.errors import UserError

_TODAY = datetime(2024, 7, 26)
"""The date chat templates see (Llama 3 prints one): a prompt, and so a sample's key, must not change at
midnight."""

Shot = Mapping[str, Any]


@dataclass(frozen=True)
class PromptTemplate:
    """A prompt file and whether its text goes through the chat template."""

    path: Path
    chat: bool

    @cached_property
    def _compiled(self):
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        path = Path(self.path)
        if not path.is_file():
            raise UserError(f"prompt template {path} does not exist; name a file of config/prompts")
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        try:
            return environment.from_string(path.read_text(encoding="utf-8"))
        except TemplateError as error:
            raise UserError(
                f"prompt template {path} is not valid Jinja: {error}; mend the template"
            ) from None

    def _parts(self, question: str, options: Sequence[str], shots: Sequence[Shot]) -> tuple[str, str]:
        """The system message ("" where the template sets none) and the rest."""
        from jinja2 import TemplateError

        try:
            given = {"question": question, "options": list(options or ()), "shots": list(shots or ())}
            module = self._compiled.make_module(given)
            return str(getattr(module, "system", "")).strip("\n"), str(module)
        except TemplateError as error:
            raise UserError(
                f"prompt template {self.path} cannot be rendered: {error}; "
                "it may use question, options and shots"
            ) from None

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


def _chat(tokenizer, template: PromptTemplate, asked: tuple, tokenize: bool):
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path or 'this model'} has no chat template; "
            "use --no-chat, or a model that has one"
        )
    return tokenizer.apply_chat_template(
        template.messages(*asked),
        add_generation_prompt=True,
        tokenize=tokenize,
        return_dict=False,
        strftime_now=_TODAY.strftime,
    )


def render_text(
    tokenizer,
    template: PromptTemplate,
    question: str,
    options: Sequence[str] = (),
    shots: Sequence[Shot] = (),
) -> str:
    """The prompt as text, chat template applied; for people and for keys, never tokenized again."""
    if template.chat:
        return _chat(tokenizer, template, (question, options, shots), tokenize=False)
    return template.text(question, options, shots)


def render_ids(
    tokenizer,
    template: PromptTemplate,
    question: str,
    options: Sequence[str] = (),
    shots: Sequence[Shot] = (),
) -> list[int]:
    """The prompt as token ids: the chat template's own, or the tokenizer's of the plain text with its BOS
    once."""
    if template.chat:
        ids = _chat(tokenizer, template, (question, options, shots), tokenize=True)
    else:
        ids = tokenizer(template.text(question, options, shots), truncation=False)["input_ids"]
        if ids and ids[-1] == tokenizer.eos_token_id:
            ids = ids[:-1]
    return [int(token) for token in ids]
