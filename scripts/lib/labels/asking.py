"""Asking a model for judgements through the store; once more, a bounded number of times, about a response for
which no score could be read."""

import numpy as np
import polars as pl

from scripts.lib.data.tables import SAMPLES
from scripts.lib.labels.judging import read_scores, unread
from scripts.lib.labels.settings import Judging
from scripts.lib.process.signals import Termination
from scripts.lib.samples.draws import Shard, draws
from scripts.lib.samples.fill import render
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.step import Asking

AGAIN = 0.7
"""Temperature at which a response is judged again: greedy decoding would say the same."""


def judge(
    step: Asking, asked: pl.DataFrame, judging: Judging, termination: Termination
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
        prompts, keyed = render(step.engine, left, step.silent)
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
        scores = read_scores(pl.concat(tables), judging.verdict)
        left = asked.join(unread(scores), on="query_id", how="semi", maintain_order="left")
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
