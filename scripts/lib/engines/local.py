"""What the engines that hold the weights share: tokenizer, prompts, precision, and reading token ids as
completions."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from scripts.lib.engines.base import Completion, Prompt, Request, Settings
from scripts.lib.errors import UserError
from scripts.lib.models.endings import Ended, Endings
from scripts.lib.models.identity import commit, identity
from scripts.lib.models.loading import end_token_ids, load_tokenizer
from scripts.lib.models.prompts import Shot, render_ids, render_text
from scripts.lib.models.thoughts import opens_thought, split_thought


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
        self.endings = Endings(self.tokenizer, self.ends, settings.template.stops)
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
