"""A study as its report sees it: its runs, the chains behind them, and every file that the page is made of.

The one place for the shape of results/reports/<study>/manifest.json: scripts/report/manifest.py writes it,
scripts/report/report.py reads it. Every `Path` of a study is a file that the rules declare as an input, but
for what `Job` holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.labels.settings import Vote


class Part:
    """A piece of a study; a key that it does not know is refused."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", defer_build=True)


@dataclass(frozen=True)
class Evaluation(Part):
    """A variant on a benchmark. `judged`: its answers are compared with a reference's, not with a gold;
    `ledger`: who answered; `growth`: how accuracy grows with the number of answers, where one of several is
    taken."""

    dataset: str
    teacher: str
    student: str
    variant: str
    seed: int
    benchmark: str
    judged: bool
    scores: Path
    metrics: Path
    samples: Path
    ledger: Path
    growth: Path | None = None


@dataclass(frozen=True)
class Questions(Part):
    """A benchmark's questions and their golds."""

    benchmark: str
    seed: int
    queries: Path
    golds: Path


@dataclass(frozen=True)
class Labels(Part):
    """Pseudo-labels, by the name of the teacher whose samples vote, and what those were read as."""

    teacher: str
    vote: Vote
    labels: Path
    answers: list[Path]


@dataclass(frozen=True)
class RewardModel(Part):
    """A reward model, from the warm student's samples on.

    `identity`, `table9`, `held_out` (HELD_OUT_REWARDS) and `log` are None where none is trained.

    The reward that is the label alone trains PPO on the pairs' queries, and no model.
    """

    reward: str
    warmup: str
    student_samples: Path
    student_answers: Path
    student_grades: Path
    pairs: Path
    funnel: Path
    identity: Path | None
    table9: Path | None
    held_out: Path | None
    log: Path | None


@dataclass(frozen=True)
class Training(Part):
    """A variant's training: its method and its log, metrics.jsonl."""

    variant: str
    method: str
    log: Path


@dataclass(frozen=True)
class Chain(Part):
    """What a data set, teacher, student and seed went through.

    `judged`: the teacher scores responses, nobody votes. `labels` are the chain's own, then those of the
    teachers to compare with; none where no training needs them. `judge_vs_vote`: Table 5, where a row asks.
    """

    dataset: str
    teacher: str
    student: str
    seed: int
    task: str
    judged: bool
    queries: Path
    golds: Path
    teacher_samples: list[Path]
    teacher_grades: Path | None
    labels: list[Labels]
    rewards: list[RewardModel]
    trainings: list[Training]
    judge_vs_vote: Path | None = None

    @property
    def name(self) -> str:
        """The chain in a few words, without its seed."""
        return f"{self.dataset}: {self.teacher} → {self.student}"


@dataclass(frozen=True)
class Ledger(Part):
    """What a sampling or judging job of `rule` wrote about itself."""

    rule: str
    file: Path


@dataclass(frozen=True)
class Job(Part):
    """What a finished job left: its times, its log, and what it cost against its plan (None: not known).

    No file of these is an input of the report: Snakemake makes them beside a job, not as its outputs, and a
    study copied without them is still finished. They are read where they exist.
    """

    rule: str
    benchmark: Path
    log: Path
    spending: dict[str, float] | None


@dataclass(frozen=True)
class Axis(Part):
    """What a study varies: in each panel, where the rows of a data set, teacher or student stand, by its name
    (None: at their teacher's accuracy)."""

    label: str
    log: bool
    panels: dict[str, dict[str, float] | None]


@dataclass(frozen=True, eq=False)
class Study(Part):
    """A study. `note`: what its benchmarks can and cannot show; `config`: every setting behind it;
    `published`: the paper's own numbers; `axis`: what it varies."""

    name: str
    note: str
    config: dict[str, Any]
    evaluations: list[Evaluation]
    questions: list[Questions]
    chains: list[Chain]
    ledgers: list[Ledger]
    jobs: list[Job] = field(default_factory=list)
    published: Path = Path("config/published.tsv")
    axis: Axis | None = None

    def files(self) -> list[str]:
        """Every file that the report reads, but for the jobs', sorted: what the rules declare as inputs."""
        made = (self.evaluations, self.questions, self.chains, self.ledgers, self.published)
        return sorted({str(path) for part in made for path in _paths(part)})

    def models(self) -> list[str]:
        """The folders of the models that were trained for its rows: what it has cards of."""
        files = [each.log for chain in self.chains for each in chain.trainings]
        files += [each.identity for chain in self.chains for each in chain.rewards if each.identity]
        return sorted({str(file.with_name("checkpoint")) for file in files})

    def write(self, path: Path) -> None:
        """Write the study as JSON."""
        write_json(_STUDY.dump_python(self, mode="json"), path)


def read_study(path: Path) -> Study:
    """Read what `Study.write` wrote. Raises UserError naming the first key that is wrong."""
    try:
        return _STUDY.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg']}; delete it and run again") from None


_STUDY = TypeAdapter(Study)


def _paths(part: Any) -> Iterator[Path]:
    if isinstance(part, Path):
        yield part
    elif isinstance(part, list):
        for each in part:
            yield from _paths(each)
    elif is_dataclass(part):
        for each in fields(part):
            yield from _paths(getattr(part, each.name))
