"""What the engines that hold the weights share: tokenizer, prompts, precision, and reading token ids as
completions."""

from collections.abc import Sequence
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from scripts.lib.engines.base import Completion, Prompt, Request, Settings
from scripts.lib.errors import UserError
from scripts.lib.models.chat import ChatTemplate, chat_template, told_template
from scripts.lib.models.endings import Ended, Endings
from scripts.lib.models.identity import commit, identity
from scripts.lib.models.loading import end_token_ids, load_tokenizer
from scripts.lib.models.prompts import Shot, render_ids
from scripts.lib.models.size import cached
from scripts.lib.models.thoughts import opens_thought, split_thought


class Local:
    """A model by folder or hub id; subclasses generate.

    What names it, and its prompts as text, come from its files: transformers takes seconds to import, and
    waits until something is to be generated.
    """

    remote: ClassVar[bool] = False
    reserves: ClassVar[bool] = False
    packages: tuple[str, ...] = ()
    bill = None

    @property
    def unit(self) -> int:
        """Requests that a shard takes together: any number where rows do not depend on their company."""
        return 256

    def __init__(self, model: str, revision: str | None, settings: Settings):
        self.settings = settings
        self.model = model
        self.revision = None if Path(model).is_dir() else commit(model, revision)
        self.identity = identity(model, self.revision)
        self.versions = {name: found for name in self.packages if (found := _version(name))}

    @cached_property
    def tokenizer(self):
        """The model's tokenizer. Raises UserError where none can be read."""
        return load_tokenizer(self.model, self.revision)

    @cached_property
    def config(self):
        """The model's configuration, the part of the text. Raises UserError where none can be read."""
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(
                self.model, revision=self.revision, trust_remote_code=False
            ).get_text_config()
        except (OSError, ValueError) as error:
            raise UserError(f"no model configuration can be read from {self.model} ({error})") from None

    @cached_property
    def ends(self) -> list[int]:
        """Every token that ends a completion."""
        from transformers import GenerationConfig

        try:
            generation = GenerationConfig.from_pretrained(self.model, revision=self.revision)
        except OSError:
            generation = None
        return end_token_ids(self.tokenizer, generation)

    @cached_property
    def endings(self) -> Endings:
        """How completions end."""
        return Endings(self.tokenizer, self.ends, self.settings.template.stops)

    @cached_property
    def dtype(self) -> str:
        """The precision the model runs in."""
        if self.settings.run.dtype != "auto":
            return self.settings.run.dtype
        return str(self.config.dtype or "float32").removeprefix("torch.")

    @cached_property
    def chat(self) -> ChatTemplate:
        """The model's chat template. Raises UserError where it has none."""
        folder = Path(self.model) if Path(self.model).is_dir() else cached(self.model, self.revision)
        given = self.settings.template.chat_template_kwargs
        told = told_template(folder, self.model, given) if folder else None
        return told or chat_template(self.tokenizer, given)

    def render(self, question: str, options: Sequence[str], shots: Sequence[Shot] = ()) -> Prompt:
        """The prompt of a question."""
        template = self.settings.template
        asked = (question, options, shots)
        text = self.chat.text(template.messages(*asked)) if template.chat else template.text(*asked)
        return Prompt("chat" if template.chat else "text", text, partial(self._ids, *asked))

    def _ids(self, question: str, options: Sequence[str], shots: Sequence[Shot]) -> list[int]:
        return render_ids(self.tokenizer, self.settings.template, question, options, shots)

    def room(self, requests: Sequence[Request]) -> int:
        """Tokens the longest prompt needs with its completion, the last one's. Raises UserError when the
        model has fewer positions."""
        longest = requests[-1]
        needed = len(longest.prompt.ids) + self.settings.max_tokens
        limits = [self.settings.run.max_model_len, getattr(self.config, "max_position_embeddings", None)]
        limit = min((limit for limit in limits if limit), default=needed)
        if needed > limit:
            raise UserError(
                f"a prompt of {len(longest.prompt.ids)} tokens and max_tokens {self.settings.max_tokens} "
                f"exceed the {limit} positions of {self.model}: {longest.prompt.text[-60:]!r}; "
                "lower max_tokens, shorten the prompt or drop that query"
            )
        return needed

    def completions(
        self, requests: Sequence[Request], rows: Sequence[Sequence[int]]
    ) -> list[tuple[Request, Completion]]:
        """Read generated ids (with their end token) as completions, cut before the first stop string, thought
        and reply told apart."""
        return [
            (request, self._completion(request, row))
            for request, row in zip(requests, self.endings.read(rows), strict=True)
        ]

    def _completion(self, request: Request, row: Ended) -> Completion:
        reasoning, reply, *_ = split_thought(row.text, opens_thought(request.prompt.text))
        counted = len(self.tokenizer(reasoning, add_special_tokens=False)["input_ids"]) if reasoning else None
        prompt_tokens = len(request.prompt.ids)
        saved = self.settings.max_tokens - row.num_tokens if row.stop_reason else 0
        return Completion(reply, row.finish_reason, row.num_tokens, prompt_tokens, reasoning, counted, saved)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
