"""Let a model judge responses (Figure 6): samples, queries -> raw judgements. What the store holds is never asked again.

The responses are neutralised first (`scripts.lib.judging`); scores are read later, by `scripts.grade_judged`. Here they
are read only to ask again, a bounded number of times, about a response for which none could be read.
"""

import sys
import time
from pathlib import Path

import polars as pl

from scripts.lib.engines import Engine, Name, Precision, Server, Settings, open_engine
from scripts.lib.errors import cli
from scripts.lib.judging import read_scores, requests, unread
from scripts.lib.prompts import PromptTemplate
from scripts.lib.sampling import assemble, draws, write_ledger, write_samples
from scripts.lib.store import Partition, Store
from scripts.lib.tables import QUERIES, SAMPLES, read, read_many
from scripts.sample import SPENT, ask, generate, render, round_to, terminable

AGAIN = 0.7
"""Temperature at which a response is judged again: greedy decoding would say the same."""


def judge(
    runner: Engine,
    engine: str,
    partition: Partition,
    asked: pl.DataFrame,
    temperature: float,
    n: int,
    retries: int,
    seed: int,
) -> tuple[pl.DataFrame, list[dict[str, int]]]:
    """Sample n judgements of every request, then one more of those without a score, up to `retries` times.

    Returns the judgements (SAMPLES, by request and sample_id) and what each pass cost.
    """
    tables, spent, left = [], [], asked
    for attempt in range(retries + 1):
        if left.is_empty():
            break
        prompts, keyed = render(runner, left)
        heat, count, first = (
            (temperature, n, 0) if attempt == 0 else (max(temperature, AGAIN), 1, n + attempt - 1)
        )
        wanted = keyed.join(draws([heat], count, attempt + 1, first), how="cross")
        pending, missing = ask(partition, wanted, prompts, seed)
        with terminable():
            cost = generate(runner, engine, partition, pending, missing)
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


def main(
    samples: list[Path],
    queries: Path,
    model: str,
    prompt: Path,
    output: Path,
    ledger: Path,
    store: Path = Path("store"),
    revision: str | None = None,
    engine: Name = "transformers",
    chat: bool = True,
    temperature: float = 0.0,
    n: int = 1,
    max_tokens: int = 256,
    retries: int = 2,
    seed: int = 0,
    dtype: Precision = "float32",
    batch_size: int = 256,
    tensor_parallel_size: int = 1,
    gpu_memory_utilization: float = 0.9,
    server: Server = Server(),  # noqa: B008
) -> None:
    """Judge every response of the samples.

    Args:
        samples: The responses (SAMPLES), one file a round.
        queries: What was asked (QUERIES).
        model: The judge, a folder or hub id, or its name at the server (openai).
        prompt: Template of config/prompts; its one option is the response.
        output: The judgements (SAMPLES; query_id is the request's).
        ledger: What it cost, as JSON, and how many responses were judged again.
        store: The sample store.
        revision: Of a hub model.
        engine: What runs the model.
        chat: Put the prompt into the model's chat template.
        temperature: Of the judgements; those asked again are drawn at 0.7 or above.
        n: Judgements a response.
        max_tokens: Longest judgement.
        retries: Times a response without a readable score is judged again.
        seed: Of the draws.
        dtype: Precision of the weights.
        batch_size: Judgements generated side by side.
        tensor_parallel_size: GPUs (vllm).
        gpu_memory_utilization: Share of a GPU's memory to take (vllm).
        server: Where the server is, its limits and prices (openai).
    """
    began = time.monotonic()
    columns = {name: SAMPLES[name] for name in ("query_id", "sample_id", "completion", "finish_reason")}
    asked, links = requests(read_many(samples, columns), read(queries, QUERIES))
    print(f"{asked.height} requests judge {links.height} responses", file=sys.stderr, flush=True)
    if asked.is_empty():
        write_samples(asked, output)
        write_ledger(ledger, {"engine": engine, "model": model, "judged_again": []} | dict.fromkeys(SPENT, 0))
        return
    settings = Settings(
        PromptTemplate(prompt, chat),
        max_tokens,
        dtype=dtype,
        batch_size=batch_size,
        tensor_parallel_size=tensor_parallel_size,
        gpu_memory_utilization=gpu_memory_utilization,
        server=server,
    )
    runner = open_engine(engine, model, revision, settings)
    key = {"top_p": 1.0, "max_tokens": max_tokens, "stop": [], "seed": seed, "dtype": runner.dtype}
    partition = Store(store).partition(runner.identity, key)
    table, spent = judge(runner, engine, partition, asked, temperature, n, retries, seed)
    write_samples(table, output)
    left = unread(read_scores(table)).height
    write_ledger(
        ledger,
        {"engine": engine, "model": runner.identity}
        | {name: sum(part[name] for part in spent) for name in spent[0]}
        | (runner.bill.ledger() if runner.bill else {})
        | {"judged_again": [part["requested"] for part in spent[1:]], "without_score": left}
        | {"seconds": round_to(time.monotonic() - began), "versions": runner.versions},
    )
    print(f"{left} of {asked.height} requests are left without a score", file=sys.stderr)
    partition.compact()


if __name__ == "__main__":
    cli(main)
