"""Let every candidate of a training answer the validation questions greedily: a folder of models -> samples.

A sample's sample_id is its candidate's number. Each candidate has a process of its own: what holds a GPU's
memory leaves with it.
"""

import json
import multiprocessing
import sys
from pathlib import Path

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import SAMPLES, read_many, write
from scripts.lib.engines.base import Run, Settings
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.process.signals import terminable
from scripts.lib.samples.draws import NOTHING, Spent, draws, select
from scripts.lib.samples.fill import render
from scripts.lib.samples.flags import Place
from scripts.lib.samples.step import Step


def answer(place: Place, model: Path, number: int, settings: Settings, queries: Path) -> None:
    """Write one candidate's samples, and its ledger."""
    step = Step(place, str(model), None, settings, 0)
    prompts, keyed = render(step.engine, select(queries, None))
    drawn = draws([0.0], 1, 1, number)
    requests, missing = step.ask(prompts, drawn)
    spent: Spent = {"requested": keyed.height, "reused": int((~missing).sum())}
    with terminable() as termination:
        spent |= step.fill(requests, missing, termination)
    step.end(step.collect(keyed, drawn, 1, spent), spent)


def together(ledgers: list[dict]) -> dict:
    """The candidates' ledgers as one: their numbers added up, the models named."""
    models = ", ".join(sorted({each["model"] for each in ledgers}))
    totals = [f"total_{kind}_tokens" for kind in ("prompt", "completion", "reasoning")]
    numbers = [*NOTHING, *totals]
    return ledgers[0] | {"model": models} | {name: sum(each[name] for each in ledgers) for name in numbers}


def main(
    candidates: Path,
    run: OmitArgPrefixes[Run],
    queries: Path,
    prompt: Path,
    place: Place,
    max_tokens: int = 512,
    stop: tuple[str, ...] | None = None,
) -> None:
    """Answer the questions once with each candidate.

    Args:
        candidates: Folder of the models, candidate=<number>.
        run: How they are run.
        queries: The questions (QUERIES).
        prompt: Template of config/prompts.
        place: Files.
        max_tokens: Longest completion, in tokens.
        stop: Strings that end a completion, which is cut before them; None: those of the template.
    """
    assert place.output is not None, "the step is one job"
    settings = Settings(run.template(prompt, stop), max_tokens, run=run)
    models = {int(path.name.partition("=")[2]): path for path in candidates.glob("candidate=*")}
    if not models:
        raise UserError(f"{candidates} holds no candidate=<number>; run the rule that trains them")
    parts = []
    for number, model in sorted(models.items()):
        draft = place.output.with_name(f".{number}.parquet")
        own = Place(draft.with_suffix(".json"), draft, store=place.store)
        process = multiprocessing.get_context("spawn").Process(
            target=answer, args=(own, model, number, settings, queries)
        )
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(process.exitcode)
        parts.append(own)
    samples: pl.DataFrame = read_many([part.output for part in parts if part.output], SAMPLES)
    write(samples, place.output, SAMPLES)
    write_json(together([json.loads(part.ledger.read_text()) for part in parts]), place.ledger)
    for each in parts:
        for path in filter(None, [each.output, each.ledger]):
            path.unlink()


if __name__ == "__main__":
    cli(main)
