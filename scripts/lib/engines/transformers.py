"""The transformers engine: our own sampling loop, on CPU or one GPU; no start-up to speak of, exact after a
kill."""

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scripts.lib.engines.base import Completion, Finished, Request, Settings
from scripts.lib.engines.local import Local
from scripts.lib.engines.verdicts import bare, weighed
from scripts.lib.errors import UserError
from scripts.lib.models.loading import load_causal

if TYPE_CHECKING:
    from scripts.lib.models.generation import Batch

_UNIT_FLOP = {"cpu": 1e11, "cuda": 5e13}
"""About five seconds of sampling: what a kill may lose, or a batch where that takes longer."""
_UNIT_ROWS = 4096
"""Rows of a unit, unless a batch has more."""
_ONE_THREAD = 10_000_000
"""Below this many parameters a second thread costs more than it does, and makes the last bits depend on the
machine."""


class Transformers(Local):
    """Any causal language model that transformers reads."""

    packages = ("transformers", "torch")

    def __init__(self, model: str, revision: str | None, settings: Settings):
        if (settings.run.tensor_parallel_size or 1) > 1:
            raise UserError(
                f"engine {settings.run.engine} runs on one device; set tensor_parallel_size to 1, "
                "or another engine"
            )
        super().__init__(model, revision, settings)

    @cached_property
    def unit(self) -> int:
        """`unit_rows` of this model on this machine; no weights are loaded for it."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        config = AutoConfig.from_pretrained(self.model, revision=self.revision, trust_remote_code=False)
        with torch.device("meta"):
            parameters = AutoModelForCausalLM.from_config(config).num_parameters()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return unit_rows(parameters, self.settings.max_tokens, self.settings.run.batch_size, device)

    @cached_property
    def weights(self):
        """The model, loaded once."""
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = load_causal(self.model, self.revision, dtype=self.dtype, device=device)
        if device == "cpu" and model.num_parameters() < _ONE_THREAD:
            torch.set_num_threads(1)
        return model

    def generate(self, requests: Sequence[Request], missing: np.ndarray) -> Generator[Finished, None, None]:
        """Yield a unit at a time. The same requests give the same units, whatever is already stored."""
        from scripts.lib.models.generation import Batch, generate

        self.room(requests)
        batch = Batch(self.settings.run.batch_size)
        if self.settings.verdicts:
            for unit in units(requests, missing, self.unit):
                yield self._weigh(unit, batch)
            return
        for unit in units(requests, missing, self.unit):
            rows = generate(
                self.weights,
                [request.prompt.ids for request in unit],
                [request.seed for request in unit],
                temperature=[request.temperature for request in unit],
                max_tokens=self.settings.max_tokens,
                eos_token_id=self.ends,
                batch=batch,
                truncation=self.settings.truncation,
                stop=self.endings.said if self.endings.stop else None,
            )
            yield self.completions(unit, rows)

    def _weigh(self, unit: list[Request], batch: "Batch") -> Finished:
        """How likely each verdict is as the next token; one token is paid."""
        from scripts.lib.models.generation import next_token_probabilities

        tokens = self._verdict_tokens
        prompts = [request.prompt.ids for request in unit]
        found = next_token_probabilities(self.weights, prompts, list(tokens), batch)
        texts = [weighed(zip(tokens.values(), row, strict=True), self.settings.verdicts) for row in found]
        return [
            (request, Completion(text, "stop", 1, len(request.prompt.ids)))
            for request, text in zip(unit, texts, strict=True)
        ]

    @cached_property
    def _verdict_tokens(self) -> dict[int, str]:
        """The tokens that are a verdict, alone or behind a blank, by their ids. Raises UserError where there
        are fewer than two."""
        forms = [form for word in self.settings.verdicts for form in (word, word.capitalize(), f" {word}")]
        forms += [f" {word.capitalize()}" for word in self.settings.verdicts]
        rows = [self.tokenizer(form, add_special_tokens=False)["input_ids"] for form in dict.fromkeys(forms)]
        alone = {row[0] for row in rows if len(row) == 1} - {self.tokenizer.unk_token_id}
        found = {token: self.tokenizer.decode([token]) for token in sorted(alone)}
        if len({bare(text) for text in found.values()} & set(self.settings.verdicts)) < 2:
            raise UserError(f"{self.model} knows no verdict as one token; let it write its judgement")
        return found


def unit_rows(parameters: int, max_tokens: int, batch_size: int, device: str) -> int:
    """Completions in a unit: some seconds' worth by the model's size, and never less than what runs side by
    side; fixed by the request and the kind of device."""
    return max(int(min(_UNIT_FLOP[device] / (2 * parameters * max_tokens), _UNIT_ROWS)), batch_size)


def units(requests: Sequence[Request], missing: np.ndarray, size: int) -> Iterator[list[Request]]:
    """Cut all requests into units of `size` and yield what is missing of each.

    A unit that is missing whole stands alone. Of units that are stored in part (n was raised, queries were
    added) the missing rows run together up to `size`. Stored units fall away from the front, so what is left
    is cut alike.
    """
    waiting: list[Request] = []
    for start in range(0, len(requests), size):
        stop = min(start + size, len(requests))
        absent = [requests[start + place] for place in np.flatnonzero(missing[start:stop]).tolist()]
        if waiting and (len(absent) == stop - start or len(waiting) + len(absent) > size):
            yield waiting
            waiting = []
        if len(absent) == stop - start:
            yield absent
        else:
            waiting += absent
    if waiting:
        yield waiting
