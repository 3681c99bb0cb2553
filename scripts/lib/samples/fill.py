"""Ask an engine for the completions that the store lacks, and keep them as they come."""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from scripts.lib.engines.base import Engine, Finished, Prompt, Request, seed_of
from scripts.lib.engines.openai.bill import Tokens
from scripts.lib.process.progress import Progress
from scripts.lib.process.signals import Termination
from scripts.lib.samples.draws import SPENT, Spent
from scripts.lib.samples.store import KEY, ROWS, Partition, prompt_key

FLUSH_SECONDS = 2.0
COMPACT_PARTS = 500


def render(engine: Engine, questions: pl.DataFrame) -> tuple[dict[str, Prompt], pl.DataFrame]:
    """The prompts by their key in the store, and (query_id, prompt_key). Logs the first one."""
    prompts, keys = {}, []
    columns = ("query_id", "question", "options", "shots")
    for query_id, question, options, shots in questions.select(columns).iter_rows():
        prompt = replace(engine.render(question, options or [], shots or []), query_id=query_id)
        keys.append(prompt_key(prompt.form, prompt.text))
        prompts[keys[-1]] = prompt
    first = prompts[keys[0]]
    print(
        f"first prompt ({first.form}{f', {len(first.ids)} tokens' if first.ids else ''}):\n{first.text}\n",
        file=sys.stderr,
        flush=True,
    )
    return prompts, questions.select("query_id").with_columns(prompt_key=pl.Series(keys))


def ask(
    partition: Partition, wanted: pl.DataFrame, prompts: dict[str, Prompt], seed: int
) -> tuple[list[Request], list[bool]]:
    """The distinct requests behind `wanted`, sorted by prompt length, prompt, temperature and index;
    which are missing."""
    length = {key: len(prompt.ids) for key, prompt in prompts.items()}
    distinct = (
        wanted.select(list(KEY))
        .unique()
        .with_columns(length=pl.col("prompt_key").replace_strict(length, return_dtype=pl.Int64))
        .sort("length", *KEY)
    )
    stored = partition.find(distinct, texts=False).with_columns(stored=True)
    found = distinct.join(stored, on=list(KEY), how="left", maintain_order="left")
    requests = [
        Request(key, prompts[key], temperature, index, seed_of(seed, key, temperature, index))
        for key, temperature, index in found.select(list(KEY)).iter_rows()
    ]
    return requests, found["stored"].is_null().to_list()


def name_of(requests: Sequence[Request], part: str) -> str:
    """What so many requests, or a part of them, are called, in whatever order they come."""
    named = sorted((request.key, request.temperature, request.index) for request in requests)
    return hashlib.sha256(json.dumps([part, named]).encode()).hexdigest()[:16]


def still_missing(partition: Partition, requests: Sequence[Request], missing: Sequence[bool]) -> list[bool]:
    """Which of the missing requests the store lacks now."""
    asked = [request for request, absent in zip(requests, missing, strict=True) if absent]
    if not asked:
        return list(missing)
    keys = [(request.key, request.temperature, request.index) for request in asked]
    found = partition.find(pl.DataFrame(keys, schema=KEY, orient="row"), texts=False)
    stored = set(found.select(list(KEY)).iter_rows())
    return [
        absent and (request.key, request.temperature, request.index) not in stored
        for request, absent in zip(requests, missing, strict=True)
    ]


def generate(
    engine: Engine,
    name: str,
    partition: Partition,
    requests: Sequence[Request],
    missing: Sequence[bool],
    termination: Termination,
) -> Spent:
    """Generate the missing requests into the store, flushed every few seconds, or at once where they cost
    money.

    Returns what was spent (SPENT).
    """
    spent: Spent = dict.fromkeys(SPENT, 0)
    total = sum(missing)
    print(
        f"{total} of {len(requests)} completions to sample, the rest is stored", file=sys.stderr, flush=True
    )
    if not total:
        return spent
    waiting: Finished = []
    if engine.bill:
        engine.bill.stored += cost(partition, requests, missing)

    def flush() -> None:
        if waiting:
            partition.add(rows(waiting, " ".join([name, *engine.versions.values()][:2])))
            waiting.clear()

    flushed, parts = time.monotonic(), 0

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
            if engine.bill or time.monotonic() - flushed >= FLUSH_SECONDS:
                flush()
                flushed, parts = time.monotonic(), parts + 1
                if parts % COMPACT_PARTS == 0:
                    partition.compact()

    with Progress("completion", total) as told:
        try:
            for finished in engine.generate(requests, missing):
                take(finished)
        finally:
            flush()
    return spent


def cost(partition: Partition, requests: Sequence[Request], missing: Sequence[bool]) -> Tokens:
    """Tokens of the stored ones of `requests`."""
    stored = [
        (request.key, request.temperature, request.index)
        for request, absent in zip(requests, missing, strict=True)
        if not absent
    ]
    found = partition.find(pl.DataFrame(stored, schema=KEY, orient="row"))
    return Tokens(int(found["prompt_tokens"].sum()), int(found["num_tokens"].sum()))


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
