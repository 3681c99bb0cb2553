"""Sample a model: queries -> raw completions. What the store holds already is never generated again.

Killed at any moment, the next run generates what is missing and writes the same bytes. So a step may be split into shards,
jobs that each fill a part of the store (`--shard`), before one run puts the samples together (`--shards`).
"""

import sys
import time
from pathlib import Path

from scripts.lib.data.files import write_json
from scripts.lib.engines import Server, open_engine
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.process.signals import terminable
from scripts.lib.samples.draws import (
    NOTHING,
    ROUND,
    assemble,
    draws,
    gathered,
    select,
    tidy,
    write_samples,
)
from scripts.lib.samples.fill import ask, generate, render, round_to
from scripts.lib.samples.flags import Place, Run
from scripts.lib.samples.store import Store


def main(
    run: Run,
    queries: Path,
    prompt: Path,
    place: Place,
    temperatures: tuple[float, ...] = (0.7,),
    n: int = 1,
    max_tokens: int = 512,
    top_p: float = 1.0,
    stop: tuple[str, ...] = (),
    seed: int = 0,
    round: int = 1,
    first_sample_id: int | None = None,
    only: Path | None = None,
    server: Server = Server(),  # noqa: B008
) -> None:
    """Sample n completions of every query at every temperature.

    Args:
        run: The model.
        queries: The questions (QUERIES).
        prompt: Template of config/prompts.
        place: Files.
        temperatures: 0 is greedy: one completion, counted n times.
        n: Completions a query and temperature.
        max_tokens: Longest completion.
        top_p: Mass of the tokens drawn from.
        stop: Strings that end a completion; they are cut off.
        seed: Of the draws.
        round: 2 draws anew, also at temperatures of round 1.
        first_sample_id: Where sample_id starts; round 2 continues after round 1's temperatures * n.
        only: Ids of the queries to sample (IDS).
        server: Where the server is, its limits and prices (openai).
    """
    _check(temperatures, n, max_tokens, top_p, round, first_sample_id, run.batch_size)
    mine = place.part(run.engine)
    began = time.monotonic()
    settings = run.settings(prompt, server, max_tokens, top_p=top_p, stop=tuple(stop))
    samples = Store(place.store)
    questions = select(queries, only)
    if questions.is_empty():
        print(f"{only} selects no queries: an empty table", file=sys.stderr)
        if place.output:
            write_samples(questions, place.output)
        write_json({"engine": run.engine, "model": run.model} | NOTHING, place.ledger)
        return
    engine = open_engine(run.engine, run.model, run.revision, settings)
    key = {"top_p": top_p, "max_tokens": max_tokens, "stop": list(stop), "seed": seed, "dtype": engine.dtype}
    partition = samples.partition(engine.identity, key)
    prompts, keyed = render(engine, questions)
    wanted = keyed.join(draws(temperatures, n, round, first_sample_id or 0), how="cross")
    requests, missing = ask(partition, wanted, prompts, seed)
    reused = len(requests) - sum(missing)
    if place.shards:
        spent = gathered(place.shards, sum(missing))
        reused -= spent["sampled"]
    else:
        if mine:
            dealt = mine.deal(len(requests), engine.unit)
            missing = [absent and own for absent, own in zip(missing, dealt, strict=True)]
        with terminable() as termination:
            spent = generate(engine, run.engine, partition, requests, missing, termination)
    spent["seconds"] = round_to(spent.get("seconds", 0) + time.monotonic() - began)
    if mine:
        write_json(spent, place.ledger)
        return
    table, stored = assemble(partition, wanted, round)
    write_samples(table, place.output)
    tidy(place.output, place.shards)
    write_json(
        {"engine": run.engine, "model": engine.identity, "requested": wanted.height, "reused": reused}
        | spent
        | (engine.bill.ledger() if engine.bill else {})
        | {
            "total_prompt_tokens": stored["prompt_tokens"].sum(),
            "total_completion_tokens": stored["num_tokens"].sum(),
            "versions": engine.versions,
        },
        place.ledger,
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


if __name__ == "__main__":
    cli(main)
