"""Let a model judge responses (Figure 6): samples, queries -> raw judgements. What the store holds is never asked again.

The responses are neutralised first (`scripts.lib.labels.judging`); scores are read later, by `scripts.judge.grade_judged`. Here they
are read only to ask again, a bounded number of times, about a response for which none could be read.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import QUERIES, SAMPLES, read, read_many
from scripts.lib.engines import Engine, Request, Server, open_engine
from scripts.lib.labels.judging import read_scores, requests, unread
from scripts.lib.process.cli import cli
from scripts.lib.process.signals import terminable
from scripts.lib.samples.draws import (
    NOTHING,
    Shard,
    assemble,
    draws,
    gathered,
    tidy,
    write_samples,
)
from scripts.lib.samples.fill import ask, generate, render, round_to
from scripts.lib.samples.flags import Place, Run
from scripts.lib.samples.store import Partition, Store

Fill = Callable[[Sequence[Request], Sequence[bool]], dict[str, float]]
AGAIN = 0.7
"""Temperature at which a response is judged again: greedy decoding would say the same."""


def judge(
    engine: Engine,
    partition: Partition,
    asked: pl.DataFrame,
    temperature: float,
    n: int,
    retries: int,
    seed: int,
    fill: Fill,
    mine: Shard | None = None,
) -> tuple[pl.DataFrame, list[dict[str, int]]]:
    """Sample n judgements of every request (of a shard: of its own), then one more of those without a score, up to
    `retries` times. `fill` brings the missing completions into the store.

    Returns the judgements (SAMPLES, by request and sample_id) and what each pass cost.
    """
    tables, spent, left = [], [], asked
    for attempt in range(retries + 1):
        if left.is_empty():
            break
        prompts, keyed = render(engine, left)
        heat, count, first = (
            (temperature, n, 0) if attempt == 0 else (max(temperature, AGAIN), 1, n + attempt - 1)
        )
        wanted = keyed.join(draws([heat], count, attempt + 1, first), how="cross")
        pending, missing = ask(partition, wanted, prompts, seed)
        if mine and attempt == 0:
            own = dealt(pending, mine, engine.unit)
            missing = [
                absent and request.key in own for request, absent in zip(pending, missing, strict=True)
            ]
            wanted = wanted.filter(pl.col("prompt_key").is_in(own))
            asked = asked.join(wanted, on="query_id", how="semi", maintain_order="left")
            if asked.is_empty():
                break
        cost = fill(pending, missing)
        table, stored = assemble(partition, wanted, attempt + 1)
        tables.append(table.select(pl.col(name).cast(kind) for name, kind in SAMPLES.items()))
        totals = {
            "prompt_tokens": stored["prompt_tokens"].sum(),
            "completion_tokens": stored["num_tokens"].sum(),
        }
        spent.append(
            {"requested": wanted.height, "reused": len(pending) - sum(missing)}
            | cost
            | {f"total_{name}": value for name, value in totals.items()}
        )
        left = asked.join(
            unread(read_scores(pl.concat(tables))), on="query_id", how="semi", maintain_order="left"
        )
    return pl.concat(tables) if tables else pl.DataFrame(schema=SAMPLES), spent


def dealt(requests: Sequence[Request], mine: Shard, unit: int) -> list[str]:
    """The prompts (their keys) that a shard judges, and judges again: those whose first request is dealt to it."""
    first: dict[str, bool] = {}
    for request, own in zip(requests, mine.deal(len(requests), unit), strict=True):
        first.setdefault(request.key, own)
    return [key for key, own in first.items() if own]


def main(
    run: Run,
    samples: list[Path],
    queries: Path,
    prompt: Path,
    place: Place,
    temperature: float = 0.0,
    n: int = 1,
    max_tokens: int = 256,
    retries: int = 2,
    seed: int = 0,
    server: Server = Server(),  # noqa: B008
) -> None:
    """Judge every response of the samples; the judgements are SAMPLES, their query_id the request's.

    Args:
        run: The judge.
        samples: The responses (SAMPLES), one file a round.
        queries: What was asked (QUERIES).
        prompt: Template of config/prompts; its one option is the response.
        place: Files; the ledger also says how many responses were judged again.
        temperature: Of the judgements; those asked again are drawn at 0.7 or above.
        n: Judgements a response.
        max_tokens: Longest judgement.
        retries: Times a response without a readable score is judged again.
        seed: Of the draws.
        server: Where the server is, its limits and prices (openai).
    """
    began = time.monotonic()
    mine = place.part(run.engine)
    columns = {name: SAMPLES[name] for name in ("query_id", "sample_id", "completion", "finish_reason")}
    asked, links = requests(read_many(samples, columns), read(queries, QUERIES))
    print(f"{asked.height} requests judge {links.height} responses", file=sys.stderr, flush=True)
    if asked.is_empty():
        if place.output:
            write_samples(asked, place.output)
        write_json({"engine": run.engine, "model": run.model, "judged_again": []} | NOTHING, place.ledger)
        return
    engine = open_engine(run.engine, run.model, run.revision, run.settings(prompt, server, max_tokens))
    key = {"top_p": 1.0, "max_tokens": max_tokens, "stop": [], "seed": seed, "dtype": engine.dtype}
    partition = Store(place.store).partition(engine.identity, key)
    with terminable() as termination:

        def fill(pending: Sequence[Request], missing: Sequence[bool]) -> dict[str, float]:
            if place.shards:
                return gathered(place.shards, sum(missing))
            return generate(engine, run.engine, partition, pending, missing, termination)

        table, passes = judge(engine, partition, asked, temperature, n, retries, seed, fill, mine)
    spent = {name: sum(each[name] for each in passes) for name in passes[0]} if passes else dict(NOTHING)
    if place.shards:
        spent |= gathered(place.shards, 0)
        spent["reused"] -= spent["sampled"]
    spent["seconds"] = round_to(spent.get("seconds", 0) + time.monotonic() - began)
    if mine:
        write_json(spent, place.ledger)
        return
    write_samples(table, place.output)
    tidy(place.output, place.shards)
    left = unread(read_scores(table)).height
    write_json(
        {"engine": run.engine, "model": engine.identity}
        | spent
        | (engine.bill.ledger() if engine.bill else {})
        | {"judged_again": [each["requested"] for each in passes[1:]], "without_score": left}
        | {"versions": engine.versions},
        place.ledger,
    )
    print(f"{left} of {asked.height} requests are left without a score", file=sys.stderr)
    partition.compact()


if __name__ == "__main__":
    cli(main)
