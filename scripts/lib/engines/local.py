"""What the engines that hold the weights share: tokenizer, prompts, precision, and reading token ids as
completions."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from scripts.lib.engines.base import Completion, Prompt, Request, Settings
from scripts.lib.errors import UserError
from scripts.lib.models.identity import commit, identity
from scripts.lib.models.loading import end_token_ids, load_tokenizer
from scripts.lib.models.prompts import Shot, render_ids, render_text
from scripts.lib.models.thoughts import decoded, opens_thought, split_thought


class Local:
    """A model by folder or hub id, with its tokenizer; subclasses generate."""

    remote: ClassVar[bool] = False
    reserves: ClassVar[bool] = False
    packages: tuple[str, ...] = ()
    bill = None

    @property
    def unit(self) -> int:
        """Requests that a shard takes together: any number where rows do not depend on their company."""
        return 256

    def __init__(self, model: str, revision: str | None, settings: Settings):
        from transformers import AutoConfig, GenerationConfig

        self.settings = settings
        self.model = model
        self.revision = None if Path(model).is_dir() else commit(model, revision)
        self.identity = identity(model, self.revision)
        self.tokenizer = load_tokenizer(model, self.revision)
        try:
            self.config = AutoConfig.from_pretrained(
                model, revision=self.revision, trust_remote_code=False
            ).get_text_config()
        except (OSError, ValueError) as error:
            raise UserError(f"no model configuration can be read from {model} ({error})") from None
        try:
            generation = GenerationConfig.from_pretrained(model, revision=self.revision)
        except OSError:
            generation = None
        self.ends = end_token_ids(self.tokenizer, generation)
        saved = str(self.config.dtype or "float32").removeprefix("torch.")
        self.dtype = saved if settings.run.dtype == "auto" else settings.run.dtype
        self.versions = {name: found for name in self.packages if (found := _version(name))}

    def render(self, question: str, options: Sequence[str], shots: Sequence[Shot] = ()) -> Prompt:
        """The prompt of a question, as text and as token ids."""
        template = self.settings.template
        return Prompt(
            "chat" if template.chat else "text",
            render_text(self.tokenizer, template, question, options, shots),
            tuple(render_ids(self.tokenizer, template, question, options, shots)),
        )

    def room(self, requests: Sequence[Request]) -> int:
        """Tokens the longest prompt needs with its completion. Raises UserError when the model has fewer
        positions."""
        longest = max(requests, key=lambda request: len(request.prompt.ids))
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
        """Read generated ids (with their end token) as completions, cut before the first stop string.

        Thought and reply are told apart, and carry no special tokens; `num_tokens` counts up to the token
        that completed the stop string.
        """
        texts = decoded(self.tokenizer, rows)
        return [
            (request, self._completion(request, list(row), text))
            for request, row, text in zip(requests, rows, texts, strict=True)
        ]

    def _completion(self, request: Request, row: list[int], text: str) -> Completion:
        cut = self.stopped_at(text)
        if cut is None:
            reason = "stop" if row and row[-1] in self.ends else "length"
            return self._apart(request, text, reason, len(row))
        low, high = 1, len(row)
        while low < high:
            middle = (low + high) // 2
            low, high = (
                (low, middle)
                if self.stopped_at(self.decode(row[:middle])) is not None
                else (middle + 1, high)
            )
        return self._apart(request, text[:cut], "stop", low)

    def _apart(self, request: Request, text: str, reason: str, num_tokens: int) -> Completion:
        """A completion of a raw text, of which the thought is no part."""
        reasoning, reply, *_ = split_thought(text, opens_thought(request.prompt.text))
        counted = len(self.tokenizer(reasoning, add_special_tokens=False)["input_ids"]) if reasoning else None
        return Completion(reply, reason, num_tokens, len(request.prompt.ids), reasoning, counted)

    def decode(self, row: list[int]) -> str:
        """Token ids as text, as `completions` reads them."""
        return decoded(self.tokenizer, [row])[0]

    def stopped_at(self, text: str) -> int | None:
        """Where the first stop string begins."""
        return min((at for stop in self.settings.stop if (at := text.find(stop)) >= 0), default=None)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
