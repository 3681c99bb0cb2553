"""Sample a model: queries -> raw completions. What the store holds already is never generated again.

Killed at any moment, the next run generates what is missing and writes the same bytes. So a step may be split into shards,
jobs that each fill a part of the store (`--shard`), before one run puts the samples together (`--shards`).
"""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from scripts.lib.ending import Ending, terminable
from scripts.lib.engines import (
    Engine,
    Finished,
    Name,
    Precision,
    Prompt,
    Request,
    Server,
    Settings,
    open_engine,
    seed_of,
)
from scripts.lib.engines.bill import Tokens
from scripts.lib.errors import UserError, cli
from scripts.lib.prompts import PromptTemplate
from scripts.lib.sampling import (
    ROUND,
    SPENT,
    Shard,
    assemble,
    draws,
    gathered,
    select,
    tidy,
    write_ledger,
    write_samples,
)
from scripts.lib.store import KEY, ROWS, Partition, Store, prompt_key

FLUSH_SECONDS = 2.0
COMPACT_PARTS = 500
REPORT_SECONDS = 20.0
NOTHING = dict.fromkeys(("requested", "reused", *SPENT, "seconds"), 0)


def main(
    queries: Path,
    model: str,
    prompt: Path,
    ledger: Path,
    output: Path | None = None,
    shard: str | None = None,
    shards: tuple[Path, ...] = (),
    store: Path = Path("store"),
    revision: str | None = None,
    engine: Name = "transformers",
    chat: bool = True,
    temperatures: tuple[float, ...] = (0.7,),
    n: int = 1,
    max_tokens: int = 512,
    top_p: float = 1.0,
    stop: tuple[str, ...] = (),
    seed: int = 0,
    round: int = 1,
    first_sample_id: int | None = None,
    only: Path | None = None,
    dtype: Precision = "float32",
    batch_size: int = 256,
    tensor_parallel_size: int = 1,
    gpu_memory_utilization: float = 0.9,
    max_model_len: int | None = None,
    server: Server = Server(),  # noqa: B008
) -> None:
    """Sample n completions of every query at every temperature.

    Args:
        queries: The questions (QUERIES).
        model: Folder or hub id of a causal language model, or its name at the server (openai).
        prompt: Template of config/prompts.
        ledger: What it cost, as JSON: requested completions; of the distinct ones (at temperature 0 a query has one)
            those reused and those sampled now, with the tokens of the latter; total_* tokens of all of them; seconds;
            of a server also requests, retries, failures by kind and dollars.
        output: The samples (SAMPLES); none with --shard.
        shard: Only fill the store with one part of the completions: 0-of-3, 1-of-3 or 2-of-3.
        shards: Ledgers of the finished shards: sample nothing, put the samples together; the ledger adds them up.
        store: The sample store.
        revision: Branch, tag or commit of a hub model; resolved to a commit.
        engine: What runs the model.
        chat: Put the prompt into the model's chat template.
        temperatures: 0 is greedy: one completion, counted n times.
        n: Completions a query and temperature.
        max_tokens: Longest completion.
        top_p: Mass of the tokens drawn from.
        stop: Strings that end a completion; they are cut off.
        seed: Of the draws.
        round: 2 draws anew, also at temperatures of round 1.
        first_sample_id: Where sample_id starts; round 2 continues after round 1's temperatures * n.
        only: Ids of the queries to sample (IDS).
        dtype: Precision of the weights; auto: as saved.
        batch_size: Completions generated side by side.
        tensor_parallel_size: GPUs (vllm).
        gpu_memory_utilization: Share of a GPU's memory to take (vllm).
        max_model_len: Longest prompt and completion together (vllm); default: what the requests need.
        server: Where the server is, its limits and prices (openai).
    """
    _check(temperatures, n, max_tokens, top_p, round, first_sample_id, batch_size)
    mine = part(shard, output, engine)
    began = time.monotonic()
    settings = Settings(
        PromptTemplate(prompt, chat),
        max_tokens,
        top_p,
        tuple(stop),
        dtype,
        batch_size,
        tensor_parallel_size,
        gpu_memory_utilization,
        max_model_len,
        server,
    )
    samples = Store(store)
    questions = select(queries, only)
    if questions.is_empty():
        print(f"{only} selects no queries: an empty table", file=sys.stderr)
        if output:
            write_samples(questions, output)
        write_ledger(ledger, {"engine": engine, "model": model} | NOTHING)
        return
    runner = open_engine(engine, model, revision, settings)
    key = {"top_p": top_p, "max_tokens": max_tokens, "stop": list(stop), "seed": seed, "dtype": runner.dtype}
    partition = samples.partition(runner.identity, key)
    prompts, keyed = render(runner, questions)
    wanted = keyed.join(draws(temperatures, n, round, first_sample_id or 0), how="cross")
    requests, missing = ask(partition, wanted, prompts, seed)
    reused = len(requests) - sum(missing)
    if shards:
        spent = gathered(shards, sum(missing))
        reused -= spent["sampled"]
    else:
        if mine:
            dealt = mine.deal(len(requests), runner.unit)
            missing = [absent and own for absent, own in zip(missing, dealt, strict=True)]
        with terminable() as ending:
            spent = generate(runner, engine, partition, requests, missing, ending)
    spent["seconds"] = round_to(spent.get("seconds", 0) + time.monotonic() - began)
    if mine:
        write_ledger(ledger, spent)
        return
    table, stored = assemble(partition, wanted, round)
    write_samples(table, output)
    tidy(output, shards)
    write_ledger(
        ledger,
        {"engine": engine, "model": runner.identity, "requested": wanted.height, "reused": reused}
        | spent
        | (runner.bill.ledger() if runner.bill else {})
        | {
            "total_prompt_tokens": stored["prompt_tokens"].sum(),
            "total_completion_tokens": stored["num_tokens"].sum(),
            "versions": runner.versions,
        },
    )
    partition.compact()


def _check(temperatures, n, max_tokens, top_p, number, first_sample_id, batch_size) -> None:
    if not temperatures or min(temperatures) < 0 or len(set(temperatures)) < len(temperatures):
        raise UserError(
            f"--temperatures {temperatures} must be distinct and not negative; raise --n for more samples"
        )
    if not 1 <= n < ROUND or max_tokens < 1 or batch_size < 1 or number < 1:
        raise UserError("--n, --max-tokens, --batch-size and --round start at 1; mend the flag that does not")
    if not 0 < top_p <= 1:
        raise UserError(f"--top-p {top_p} is a share of the probability; give a number above 0, at most 1")
    if number > 1 and first_sample_id is None:
        raise UserError(
            f"--round {number} needs --first-sample-id: the number of samples a query has from the rounds before "
            "(their temperatures times n)"
        )


def part(shard: str | None, output: Path | None, engine: Name) -> Shard | None:
    """The shard that `--shard` names. Raises UserError when it does not go with the other flags."""
    if (shard is None) == (output is None):
        raise UserError("give --output, or --shard for one part of the step, not both")
    if shard and engine == "openai":
        raise UserError(
            "--shard would give each job a budget of its own; ask a server with more --server.concurrency"
        )
    return Shard.read(shard) if shard else None


def render(engine: Engine, questions: pl.DataFrame) -> tuple[dict[str, Prompt], pl.DataFrame]:
    """The prompts by their key in the store, and (query_id, prompt_key). Logs the first one."""
    prompts, keys = {}, []
    for question, options in questions.select("question", "options").iter_rows():
        prompt = engine.render(question, options or [])
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
    """The distinct requests behind `wanted`, sorted by prompt length, prompt, temperature and index; which are missing."""
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


def generate(
    engine: Engine,
    name: str,
    partition: Partition,
    requests: Sequence[Request],
    missing: Sequence[bool],
    ending: Ending,
) -> dict[str, float]:
    """Generate the missing requests into the store, flushed every few seconds, or at once where they cost money.

    Returns what was spent (SPENT).
    """
    spent = dict.fromkeys(SPENT, 0)
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
        with ending.held():
            waiting.extend(finished)
            spent["sampled"] += len(finished)
            spent["prompt_tokens"] += sum(done.prompt_tokens for _, done in finished)
            spent["completion_tokens"] += sum(done.num_tokens for _, done in finished)
            if engine.bill or time.monotonic() - flushed >= FLUSH_SECONDS:
                flush()
                flushed, parts = time.monotonic(), parts + 1
                if parts % COMPACT_PARTS == 0:
                    partition.compact()

    with progress(spent, total):
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
    return Tokens(found["prompt_tokens"].sum(), found["num_tokens"].sum())


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
        )
        for request, done in finished
    ]
    return pl.DataFrame(table, schema=ROWS, orient="row")


@contextmanager
def progress(spent: dict[str, int], total: int) -> Iterator[None]:
    """Print a line every 20 seconds and at the end, whatever the engine is doing."""
    began, over = time.monotonic(), threading.Event()

    def line() -> None:
        seconds, done = time.monotonic() - began, spent["sampled"]
        left = f", about {seconds / done * (total - done):.0f} s left" if 0 < done < total else ""
        print(
            f"sampled {done} of {total} completions, {spent['completion_tokens']} tokens in {seconds:.0f} s "
            f"({spent['completion_tokens'] / max(seconds, 1e-9):.0f} tokens/s){left}",
            file=sys.stderr,
            flush=True,
        )

    def report() -> None:
        while not over.wait(REPORT_SECONDS):
            line()

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        line()


def round_to(seconds: float) -> float:
    """Seconds to a tenth."""
    return float(f"{seconds:.1f}")


if __name__ == "__main__":
    cli(main)
