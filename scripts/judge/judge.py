"""Let a model judge responses (Figure 6): samples, queries -> raw judgements. What the store holds is never
asked again.

The responses are neutralised first (`scripts.lib.labels.judging`); scores are read later, by
`scripts.judge.grade_judged`.
"""

import sys
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from scripts.lib.data.tables import QUERIES, REQUESTS, SAMPLES, read, read_many, write
from scripts.lib.engines.base import Run, Settings
from scripts.lib.engines.openai.server import Server
from scripts.lib.labels.asking import judge
from scripts.lib.labels.judging import read_scores, requests, unread
from scripts.lib.labels.settings import Judging
from scripts.lib.process.cli import cli
from scripts.lib.process.signals import terminable
from scripts.lib.samples.draws import NOTHING, Spent
from scripts.lib.samples.flags import Place
from scripts.lib.samples.step import Step


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
