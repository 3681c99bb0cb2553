"""How a model is shown its prompts: settings of a model, beside what the prompt itself says."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings, changed

OURS = {
    *("conversation", "messages", "tools", "documents", "chat_template", "add_generation_prompt"),
    *("continue_final_message", "tokenize", "padding", "truncation", "max_length", "return_tensors"),
    *("return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs", "strftime_now"),
}
"""What a chat template is told by us, or not at all."""


@dataclass(frozen=True, kw_only=True)
class Prompting(StepSettings):
    """How a model is shown its prompts."""

    chat: Annotated[bool, Source("silent: its models are chat models")] = True
    """Render prompts with the model's chat template."""
    system: Annotated[str | None, Source("ours")] = None
    """Message of the system role, before what a prompt's template sets as its own; null: none."""
    chat_template_kwargs: Annotated[dict[str, bool | int | float | str], Source("ours")] = field(
        default_factory=dict
    )
    """Arguments of the model's chat template, such as enable_thinking: false."""

    def agree(self) -> None:
        """Raise UserError for arguments that reach no chat template, or that are not the user's to give."""
        if self.chat_template_kwargs and not self.chat:
            raise UserError("chat_template_kwargs needs a chat template; set chat: true, or drop it")
        if taken := sorted(OURS & set(self.chat_template_kwargs)):
            raise UserError(f"chat_template_kwargs.{taken[0]} is not for a config to say; drop it")

    def told(self) -> dict[str, Any]:
        """`chat`, and what else is set, by name."""
        return {"chat": self.chat} | changed(self, Prompting)

    def template(self, path: Path, stop: tuple[str, ...] | None = None) -> PromptTemplate:
        """A prompt file as this model is shown it; `stop`: stop strings instead of its own."""
        return PromptTemplate(path, self.chat, self.system, self.chat_template_kwargs, stop)
