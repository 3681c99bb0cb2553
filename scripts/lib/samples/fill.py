"""Ask an engine for the completions that the store lacks, and keep them as they come."""

import sys
import time
from dataclasses import replace

import numpy as np
import polars as pl

from scripts.lib.engines.base import Engine, Finished, Prompt
from scripts.lib.process.progress import Progress
from scripts.lib.process.signals import Termination
from scripts.lib.samples.draws import SPENT, Spent
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.store import ROWS, Partition, prompt_key

FLUSH_SECONDS, PAID_SECONDS = 2.0, 0.1
"""Between two times that what came is put on disk, at least: in general, and where completions cost money."""
COMPACT_PARTS = 500


def render(
    engine: Engine, questions: pl.DataFrame, silent: bool = False
) -> tuple[dict[str, Prompt], pl.DataFrame]:
    """The prompts by their key in the store, and (query_id, prompt_key). Logs the first one, unless
    `silent`."""
    prompts, keys = {}, []
    columns = ("query_id", "question", "options", "shots")
    for query_id, question, options, shots in questions.select(columns).iter_rows():
        prompt = replace(engine.render(question, options or [], shots or []), query_id=query_id)
        keys.append(prompt_key(prompt.form, prompt.text))
        prompts[keys[-1]] = prompt
    if not silent:
        first = prompts[keys[0]]
        print(f"first prompt ({first.form}):\n{first.text}\n", file=sys.stderr, flush=True)
    return prompts, questions.select("query_id").with_columns(prompt_key=pl.Series(keys))


def generate(
    engine: Engine,
    name: str,
    partition: Partition,
    requests: Requests,
    missing: np.ndarray,
    termination: Termination,
    silent: bool = False,
) -> Spent:
    """Generate the missing requests into the store, flushed as often as FLUSH_SECONDS and PAID_SECONDS say.

    `missing`: bool [requests]. Returns what was spent (SPENT). `silent`: without a word.
    """
    spent: Spent = dict.fromkeys(SPENT, 0)
    total = int(missing.sum())
    if not silent:
        said = f"{total} of {len(requests)} completions to sample, the rest is stored"
        print(said, file=sys.stderr, flush=True)
    if not total:
        return spent
    if (longest := len(requests[-1].prompt.ids)) and not silent:
        print(f"the longest prompt has {longest} tokens", file=sys.stderr, flush=True)
    waiting: Finished = []

    def flush() -> None:
        if waiting:
            partition.add(rows(waiting, " ".join([name, *engine.versions.values()][:2])))
            waiting.clear()

    flushed, parts, apart = time.monotonic(), 0, PAID_SECONDS if engine.bill else FLUSH_SECONDS

    def take(finished: Finished) -> None:
        nonlocal flushed, parts
        with termination.held():
            waiting.extend(finished)
            spent["sampled"] += len(finished)
            spent["prompt_tokens"] += sum(done.prompt_tokens for _, done in finished)
            spent["completion_tokens"] += sum(done.num_tokens for _, done in finished)
            spent["reasoning_tokens"] += sum(done.reasoning_tokens or 0 for _, done in finished)
            spent["saved_tokens"] += sum(done.saved_tokens for _, done in finished)
            told.done, told.also["tokens"] = int(spent["sampled"]), int(spent["completion_tokens"])
            if waiting and time.monotonic() - flushed >= apart:
                flush()
                flushed, parts = time.monotonic(), parts + 1
                if parts % COMPACT_PARTS == 0:
                    partition.compact()

    with Progress("completion", total, silent=silent) as told:
        try:
            for finished in engine.generate(requests, missing):
                take(finished)
        finally:
            flush()
    return spent


def rows(finished: Finished, engine: str) -> pl.DataFrame:
    """Finished completions as rows of the store (ROWS)."""
    table = [
        (
            request.key,
            request.temperature,
            request.index,
            done.text,
            done.finish_reason,
            done.num_tokens,
            done.prompt_tokens,
            engine,
            request.prompt.text,
            done.reasoning,
            done.reasoning_tokens,
        )
        for request, done in finished
    ]
    return pl.DataFrame(table, schema=ROWS, orient="row")
