"""Let a model judge responses (Figure 6): samples, queries -> raw judgements. What the store holds is never
asked again.

The responses are neutralised first (`scripts.lib.labels.judging`); scores are read later, by
`scripts.judge.grade_judged`. Here they are read only to ask again, a bounded number of times, about a
response for which none could be read.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.tables import QUERIES, REQUESTS, SAMPLES, read, read_many, write
from scripts.lib.engines.base import Run, Settings
from scripts.lib.engines.openai.server import Server
from scripts.lib.labels.judging import read_scores, requests, unread
from scripts.lib.labels.settings import Judging
from scripts.lib.process.cli import cli
from scripts.lib.process.signals import Termination, terminable
from scripts.lib.samples.draws import NOTHING, Shard, Spent, draws
from scripts.lib.samples.fill import render
from scripts.lib.samples.flags import Place
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.step import Step

AGAIN = 0.7
"""Temperature at which a response is judged again: greedy decoding would say the same."""


def judge(
    step: Step, asked: pl.DataFrame, judging: Judging, termination: Termination
) -> tuple[pl.DataFrame, list[dict[str, float]]]:
    """Sample n judgements of every request (of a shard: of its own), then one more of those without a score,
    up to `retries` times.

    `asked`: query_id, question, options. Returns the judgements (SAMPLES, by request and sample_id) and what
    each pass cost.
    """
    tables, spent, left = [], [], asked
    for attempt in range(judging.retries + 1):
        if left.is_empty():
            break
        prompts, keyed = render(step.engine, left)
        drawn = _draws(judging, attempt)
        pending, missing = step.ask(prompts, drawn)
        if step.shard and attempt == 0:
            pending, missing = pending.longest_last(missing)  # whose a prompt is depends on the order
            own = dealt(pending, step.shard, step.engine.unit)
            missing &= np.repeat(own, drawn.height)
            keyed = keyed.filter(pl.col("prompt_key").is_in(np.array(pending.keys)[own]))
            asked = asked.join(keyed, on="query_id", how="semi", maintain_order="left")
            if asked.is_empty():
                break
        cost = step.fill(pending, missing, termination)
        told = {"requested": keyed.height * drawn.height, "reused": int((~missing).sum())}
        spent.append(told | cost)
        tables += [pl.DataFrame(schema=SAMPLES), *step.collect(keyed, drawn, attempt + 1, spent[-1])]
        left = asked.join(
            unread(read_scores(pl.concat(tables))), on="query_id", how="semi", maintain_order="left"
        )
    return pl.concat(tables) if tables else pl.DataFrame(schema=SAMPLES), spent


def _draws(judging: Judging, attempt: int) -> pl.DataFrame:
    """The judgements of each request in a pass: n in the first, one in each that asks again."""
    if attempt == 0:
        return draws([judging.temperature], judging.n, 1, 0)
    return draws([max(judging.temperature, AGAIN)], 1, attempt + 1, judging.n + attempt - 1)


def dealt(requests: Requests, mine: Shard, unit: int) -> np.ndarray:
    """Which prompts a shard judges, and judges again, bool [prompts]: those whose first request is dealt to
    it."""
    return mine.deal(len(requests), unit)[:: len(requests.draws)]


def main(
    model: str,
    run: OmitArgPrefixes[Run],
    samples: list[Path],
    queries: Path,
    prompt: Path,
    place: Place,
    judging: OmitArgPrefixes[Judging],
    revision: str | None = None,
    seed: int = 0,
    server: Server = Server(),  # noqa: B008
    links: Path | None = None,
) -> None:
    """Judge every response of the samples; the judgements are SAMPLES, their query_id the request's.

    Args:
        model: Folder or hub id of the judge, or its name at a server.
        run: How the judge is run.
        samples: The responses (SAMPLES), one file per round.
        queries: What was asked (QUERIES).
        prompt: Template of config/prompts; its one option is the response.
        place: Files; the ledger also says how many responses were judged again.
        judging: Judgements, and when to ask again.
        revision: Branch, tag or commit of a hub model; resolved to a commit.
        seed: Of the draws.
        server: Where the server is, its limits and prices.
        links: Which request judges which sample (REQUESTS); grading needs it.
    """
    settings = Settings(run.template(prompt), judging.max_tokens, run=run, server=server)
    step = Step(place, model, revision, settings, seed)
    names = ("query_id", "sample_id", "completion", "finish_reason", "num_tokens")
    columns = {name: SAMPLES[name] for name in names}
    asked, linked = requests(read_many(samples, columns), read(queries, QUERIES))
    judged = linked["request_id"].count()
    print(f"{asked.height} requests judge {judged} responses", file=sys.stderr, flush=True)
    if links:
        write(linked, links, REQUESTS)
    if asked.is_empty():
        step.skip(judged_again=[])
        return
    with terminable() as termination:
        table, passes = judge(step, asked, judging, termination)
    spent: Spent = (
        {name: sum(each[name] for each in passes) for name in passes[0]} if passes else dict(NOTHING)
    )
    left = unread(read_scores(table)).height
    print(f"{left} of {asked.height} requests are left without a score", file=sys.stderr)
    step.end(
        [table.sort("query_id", "sample_id")],
        spent,
        judged_again=[each["requested"] for each in passes[1:]],
        without_score=left,
    )


if __name__ == "__main__":
    cli(main)
