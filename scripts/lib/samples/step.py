"""What sampling and judging share: an engine and its place in the store, opened when needed, and how the step
ends."""

import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import SAMPLES, write_sorted
from scripts.lib.engines.base import Engine, Prompt, Settings
from scripts.lib.engines.openai.bill import Tokens
from scripts.lib.engines.registry import engine_class, open_engine
from scripts.lib.process.signals import Termination
from scripts.lib.samples.assemble import assemble
from scripts.lib.samples.claims import claim
from scripts.lib.samples.draws import NOTHING, SPENT, Shard, Spent, complete, gathered, tidy
from scripts.lib.samples.fill import generate
from scripts.lib.samples.flags import Place
from scripts.lib.samples.requests import Requests, lacking, tokens
from scripts.lib.samples.store import Partition, Store

TOTALS = {"prompt": "prompt_tokens", "completion": "num_tokens", "reasoning": "reasoning_tokens"}
"""The tokens that a ledger counts of all completions, and their columns in the store."""


class Asking:
    """A model that is asked through the store. `store`: its folder; `makes`: what the completions are for, a
    file that need not be there; `silent`: nothing is told of what goes on."""

    shard: Shard | None = None

    def __init__(
        self,
        store: Path,
        makes: Path,
        model: str,
        revision: str | None,
        settings: Settings,
        seed: int,
        silent: bool = False,
    ):
        self.store, self.makes, self.silent = store, makes, silent
        self.model, self.revision, self.settings, self.seed = model, revision, settings, seed
        self.brought = 0
        """Completions that another start has brought while this one waited for it."""

    @cached_property
    def engine(self) -> Engine:
        """The engine, opened. Raises UserError where the model cannot be identified."""
        return open_engine(self.model, self.revision, self.settings)

    @cached_property
    def partition(self) -> Partition:
        """Where the store keeps the completions of this model that are drawn so."""
        settings = self.settings
        key = {
            "top_p": settings.truncation.top_p,
            "max_tokens": settings.max_tokens,
            "stop": list(settings.template.stops),
            "seed": self.seed,
            "dtype": self.engine.dtype,
        } | settings.truncation.changed()
        if settings.run.chat_template_kwargs:
            key["chat_template_kwargs"] = settings.run.chat_template_kwargs
        if settings.verdicts:
            key["verdicts"] = sorted(settings.verdicts)
        if "temperature" in settings.server.omit:
            key["temperature"] = "the server's own"
        return Store(self.store).partition(self.engine.identity, key)

    def ask(self, prompts: dict[str, Prompt], drawn: pl.DataFrame) -> tuple[Requests, np.ndarray]:
        """Every prompt (by its key) at every draw (`draws`), the longest last where the store lacks one, and
        which of these it lacks, bool [requests]."""
        requests = Requests(prompts, drawn, self.seed)
        missing = lacking(self.partition, requests)
        return requests.longest_last(missing) if missing.any() else (requests, missing)

    def fill(self, requests: Requests, missing: np.ndarray, termination: Termination) -> Spent:
        """Bring the missing ones of `requests` into the store.

        One start at a time asks for a completion: what others are sampling is waited for, and taken from the
        store. `missing`: bool [requests]. Returns what was spent (SPENT).
        """
        spent: Spent = dict.fromkeys(SPENT, 0)
        self._charge(requests, ~missing)
        if not missing.any():
            return self._generate(requests, missing, termination)
        left = missing.copy()
        with claim(self.partition.folder, self.makes, requests, left) as mine:
            while True:
                free = mine.free(requests, left)  # first: who has ended by now has stored what it claimed
                stored = left & ~lacking(self.partition, requests)
                self._charge(requests, stored)
                self.brought += int(stored.sum())
                now = free & ~stored
                if now.any():
                    more = self._generate(requests, now, termination)
                    spent = {name: spent[name] + more[name] for name in SPENT}
                left &= ~(stored | now)
                if not left.any():
                    return spent
                mine.wait()

    def _generate(self, requests: Requests, missing: np.ndarray, termination: Termination) -> Spent:
        engine = self.settings.run.engine
        return generate(self.engine, engine, self.partition, requests, missing, termination, self.silent)

    def _charge(self, requests: Requests, stored: np.ndarray) -> None:
        """Enter the stored ones of the requests, which others have paid for, into the bill of a server."""
        if self.engine.bill and stored.any():
            self.engine.bill.stored += Tokens(*tokens(self.partition, requests, ~stored))

    def collect(
        self, keyed: pl.DataFrame, drawn: pl.DataFrame, number: int, spent: Spent
    ) -> Iterator[pl.DataFrame]:
        """The samples (SAMPLES) of round `number` from the store, sorted by query_id and sample_id, some at a
        time.

        `keyed`: query_id, prompt_key; `drawn`: sample_id, temperature, index, those of each query. Into
        `spent` goes, as they pass, how many were cut off, and the tokens of the stored rows behind them.
        """
        spent |= dict.fromkeys(("cut_off", *(f"total_{kind}_tokens" for kind in TOTALS)), 0)
        for part in assemble(self.partition, keyed, drawn, number, self.makes.parent):
            spent["cut_off"] += int((part["finish_reason"] == "length").sum())
            for kind, column in TOTALS.items():
                spent[f"total_{kind}_tokens"] += int(part[column].filter(part["counted"]).sum())
            yield part.select(list(SAMPLES))


class Step(Asking):
    """One call of a step that samples a model: the whole of it, one of its shards, or its shards put
    together."""

    def __init__(self, place: Place, model: str, revision: str | None, settings: Settings, seed: int):
        super().__init__(place.store, place.ledger, model, revision, settings, seed)
        self.place, self.shard = place, place.part(engine_class(settings.run.engine).remote)
        self.began = time.monotonic()

    def fill(self, requests: Requests, missing: np.ndarray, termination: Termination) -> Spent:
        """The same; when shards are put together, none may be missing."""
        if not self.place.shards:
            return super().fill(requests, missing, termination)
        complete(self.place.shards, int(missing.sum()))
        return dict.fromkeys(SPENT, 0)

    def skip(self, **told: object) -> None:
        """End a step that has nothing to ask: an empty table."""
        if self.place.output:
            write_sorted([], self.place.output, SAMPLES)
        write_json(
            {"engine": self.settings.run.engine, "model": self.model} | told | NOTHING, self.place.ledger
        )

    def end(self, samples: Iterable[pl.DataFrame], spent: Spent, **told: object) -> None:
        """Write the samples and the ledger, to which `told` is added; a shard's ledger is what it spent.

        `samples`: sorted, in parts (`collect`). `spent`: requested, reused, SPENT, and what `collect` counts.
        """
        before = 0.0
        spent["reused"] += self.brought
        if self.place.shards:
            spent |= gathered(self.place.shards)
            spent["reused"] -= spent["sampled"]
            before = spent["seconds"]
        if self.place.output:
            write_sorted(samples, self.place.output, SAMPLES)
        spent["seconds"] = round(before + time.monotonic() - self.began, 1)
        if not self.place.output:
            write_json(spent, self.place.ledger)
            return
        tidy(self.place.output, self.place.shards)
        bill = self.engine.bill.ledger() if self.engine.bill else {}
        model = {"engine": self.settings.run.engine, "model": self.engine.identity}
        write_json(model | spent | bill | told | {"versions": self.engine.versions}, self.place.ledger)
        self.partition.compact()
