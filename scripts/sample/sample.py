"""Sample a model: queries -> raw completions. What the store holds already is never generated again.

Killed at any moment, the next run generates what is missing and writes the same bytes. So a step may be split
into shards, jobs that each fill a part of the store (`--shard`), before one run puts the samples together
(`--shards`).
"""

import sys
from pathlib import Path

import numpy as np
from tyro.conf import OmitArgPrefixes

from scripts.lib.engines.base import Run, Settings
from scripts.lib.engines.openai.server import Server
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.process.signals import terminable
from scripts.lib.samples.draws import Spent, draws, select
from scripts.lib.samples.fill import render
from scripts.lib.samples.flags import Place
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.settings import Sampling
from scripts.lib.samples.step import Step


def main(
    model: str,
    run: OmitArgPrefixes[Run],
    queries: Path,
    prompt: Path,
    place: Place,
    sampling: OmitArgPrefixes[Sampling],
    revision: str | None = None,
    max_tokens: int = 512,
    stop: tuple[str, ...] | None = None,
    seed: int = 0,
    round: int = 1,
    first_sample_id: int | None = None,
    only: Path | None = None,
    server: Server = Server(),  # noqa: B008
) -> None:
    """Sample n completions of every query at every temperature.

    Args:
        model: Folder or hub id of a causal language model, or its name at a server.
        run: How the model is run.
        queries: The questions (QUERIES).
        prompt: Template of config/prompts.
        place: Files.
        sampling: Temperatures, completions, and what they are drawn from.
        revision: Branch, tag or commit of a hub model; resolved to a commit.
        max_tokens: Longest completion, in tokens.
        stop: Strings that end a completion, which is cut before them; None: those of the template.
        seed: Of the draws.
        round: 2 draws anew, also at temperatures of round 1.
        first_sample_id: Where sample_id starts; round 2 continues after round 1's samples of a query.
        only: Ids of the queries to sample (IDS).
        server: Where the server is, its limits and prices.
    """
    _check(max_tokens, round, first_sample_id)
    settings = Settings(run.template(prompt, stop), max_tokens, sampling, run, server)
    step = Step(place, model, revision, settings, seed)
    questions = select(queries, only)
    if questions.is_empty():
        print(f"{only} selects no queries: an empty table", file=sys.stderr)
        step.skip()
        return
    prompts, keyed = render(step.engine, questions)
    drawn = draws(sampling.temperatures, sampling.n, round, first_sample_id or 0)
    requests, missing = step.ask(prompts, drawn)
    spent: Spent = {"requested": keyed.height * drawn.height, "reused": int((~missing).sum())}
    with terminable() as termination:
        spent |= step.fill(requests, _own(step, requests, missing), termination)
    step.end(step.collect(keyed, drawn, round, spent), spent)


def _check(max_tokens: int, number: int, first_sample_id: int | None) -> None:
    if max_tokens < 1 or number < 1:
        raise UserError("--max-tokens and --round start at 1; mend the flag that does not")
    if number > 1 and first_sample_id is None:
        raise UserError(
            f"--round {number} needs --first-sample-id: the number of samples a query has from the rounds "
            "before (n at each temperature, one at 0)"
        )


def _own(step: Step, requests: Requests, missing: np.ndarray) -> np.ndarray:
    """Which of the missing requests this call is to bring: a shard only those that are dealt to it. Both bool
    [requests]."""
    if not step.shard or not missing.any():
        return missing
    return missing & step.shard.deal(len(requests), step.engine.unit)


if __name__ == "__main__":
    cli(main)
