"""results.json: what a study found, for programs. Its schema is results.schema.json beside this file.

scripts/report/report.py writes it, scripts/commands/compare.py reads it. Shares are in 0..1, intervals 95 %.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.report import read
from scripts.lib.report.drawing.content import Figure, Headline, Section, Table
from scripts.lib.report.drawing.data import Record
from scripts.lib.report.drawing.dot_chart import DotChart
from scripts.lib.report.drawing.funnel import Funnel
from scripts.lib.report.numbers.provenance import Provenance, provenance
from scripts.lib.report.numbers.results import Result, Scoreboard, by_table, corrected, measure
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Part, Study


@dataclass(frozen=True)
class Difference(Part):
    """A variant against the `baseline`, paired by question and seed; `n` counts distinct questions.

    `p`: two-sided, uncorrected; `p_corrected`: for all comparisons of its table (Holm), as the page shows it.
    Intervals are not corrected.
    """

    baseline: str
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    n: int


@dataclass(frozen=True)
class OfSeed(Part):
    """One run: its accuracy (or win rate), the share of answers not read, and its questions."""

    seed: int
    value: float
    unparsed: float
    n: int


@dataclass(frozen=True)
class OfVariant(Part):
    """A variant over its seeds, with the interval over runs and questions; `name` as the tables call it."""

    variant: str
    name: str
    value: float
    low: float
    high: float
    n: int
    unparsed: float
    seeds: list[OfSeed]
    against: Difference | None


@dataclass(frozen=True)
class Setting(Part):
    """A data set, teacher, student and benchmark: a row group of Table 3 or 4. `measure`: what `value` is."""

    dataset: str
    teacher: str
    student: str
    benchmark: str
    measure: str
    variants: list[OfVariant]


@dataclass(frozen=True)
class Shown(Part):
    """A table or figure of the page, with the data that the page offers as CSV."""

    section: str
    title: str
    made: str
    records: list[Record]


@dataclass(frozen=True)
class Sampled(Part):
    """What a sampling or judging job of `rule` wrote about itself: its ledger.json."""

    rule: str
    ledger: dict[str, Any]


@dataclass(frozen=True)
class Spent(Part):
    """What a job cost against its plan, in the words of scripts/lib/runs/ledger.py."""

    rule: str
    benchmark: str
    spending: dict[str, float]


@dataclass(frozen=True)
class ResultsFile(Part):
    """A study's results. `format` counts up when readers have to know; `config` is the resolved one."""

    format: Literal[1]
    study: str
    note: str
    headline: str
    settings: list[Setting]
    shown: list[Shown]
    sampled: list[Sampled]
    spent: list[Spent]
    provenance: Provenance
    config: dict[str, Any]


_FILE = TypeAdapter(ResultsFile)


def schema() -> str:
    """The JSON schema of results.json."""
    return json.dumps(_FILE.json_schema(), indent=1) + "\n"


def results_file(
    study: Study, top: Headline, sections: Sequence[Section], scoreboards: Sequence[Scoreboard]
) -> ResultsFile:
    """What a study's page shows, with the numbers unrounded."""
    shown = [Shown("headline", top.chart.title, top.chart.made, top.chart.records())] if top.chart else []
    for section in sections:
        for block in section.content:
            if isinstance(block, Table | Figure | DotChart | Funnel):
                made = block.made or section.made
                shown.append(Shown(section.id, block.title, made, block.records()))
    ps = {
        board.place: each
        for table in by_table(scoreboards)
        for board, each in zip(table, corrected(table), strict=True)
    }
    return ResultsFile(
        format=1,
        study=study.name,
        note=study.note,
        headline=top.sentence,
        settings=[_setting(board, ps[board.place]) for board in scoreboards],
        shown=shown,
        sampled=[Sampled(each.rule, read.document(each.file)) for each in study.ledgers],
        spent=[
            Spent(job.rule, str(job.benchmark), job.spending)
            for job in study.jobs
            if job.spending is not None
        ],
        provenance=provenance(study),
        config=study.config,
    )


def _setting(board: Scoreboard, ps: Mapping[str, float]) -> Setting:
    variants = [_variant(board, result, ps) for result in board.results.values()]
    return Setting(board.dataset, board.teacher, board.student, board.benchmark, measure(board), variants)


def _variant(board: Scoreboard, result: Result, ps: Mapping[str, float]) -> OfVariant:
    whole = result.against.whole if result.against else None
    against = None
    if whole:
        interval = (whole.difference, whole.low, whole.high)
        against = Difference(board.baseline, *interval, whole.p, ps[result.variant], whole.n)
    seeds = [OfSeed(seed, value, unparsed, n) for seed, (value, unparsed, n) in result.seeds.items()]
    head = (result.variant, name(result.variant), result.accuracy, result.low, result.high, result.n)
    return OfVariant(*head, result.unparsed, seeds, against)


def write(found: ResultsFile, path: Path) -> None:
    """Write results.json."""
    write_json(_FILE.dump_python(found, mode="json"), path)


def read_results(path: Path) -> ResultsFile:
    """Read results.json. Raises UserError naming the first key that is wrong, or a missing file."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run the rule that makes it") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg']}; make the study's report again") from None
