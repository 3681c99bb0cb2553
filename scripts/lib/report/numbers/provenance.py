"""Where a study comes from: code, questions and models, by what its run and its jobs wrote down."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from scripts.lib.report import read
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Part, Study
from scripts.lib.training.export import named, sha256
from scripts.lib.workflow.snapshot import Snapshot, began


@dataclass(frozen=True)
class File(Part):
    """Questions or golds, from their stage on, with their SHA-256."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Model(Part):
    """Whose answers or rewards the study holds: its chain, its name there, and its identity by content."""

    chain: str
    model: str
    seed: int
    identity: str


@dataclass(frozen=True)
class Provenance(Part):
    """What a study was made from.

    `commit`: the code of the run that made the page ("": not known), `changed`: its files that differed from
    that. Whatever other code made was made again. `versions`: of what made the page.
    """

    commit: str
    changed: list[str]
    versions: dict[str, str]
    questions: list[File]
    models: list[Model]


@cache
def provenance(study: Study) -> Provenance:
    """The provenance of a study, in the step that makes its page; worked out once."""
    run = began() or Snapshot({}, {})
    files = [path for each in study.chains for path in (each.queries, each.golds)]
    files += [path for each in study.questions for path in (each.queries, each.golds)]
    return Provenance(
        run.commit,
        run.changed,
        {"python": platform.python_version(), "polars": version("polars")},
        [File(named(path), sha256(path)) for path in dict.fromkeys(files)],
        list(dict.fromkeys(_models(study))),
    )


def _models(study: Study) -> Iterator[Model]:
    ledgers = {each.file for each in study.ledgers}
    for chain in study.chains:
        said = chain.teacher_samples[0].with_name("ledger.json")
        if said in ledgers:
            yield Model(chain.name, name("teacher"), chain.seed, read.document(said)["model"])
        for reward in chain.rewards:
            if reward.identity:
                identity = read.document(reward.identity)["identity"]
                yield Model(chain.name, f"reward model {reward.reward}", chain.seed, identity)
    for run in study.evaluations:
        place = f"{run.dataset}: {run.teacher} → {run.student}"
        yield Model(place, name(run.variant), run.seed, read.document(run.ledger)["model"])
