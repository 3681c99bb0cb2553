"""Flags that training steps share, beside their settings (scripts/lib/training/settings/):
files, and what the data say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scripts.lib.models.prompting import Prompting


@dataclass(frozen=True)
class TrainingRun(Prompting):
    """What a training starts from, what it writes, and how it is watched."""

    model: str
    """Where it starts: a folder or hub id."""
    queries: Path
    """QUERIES table that the training data point at."""
    prompt: Path
    """Prompt template file."""
    output: Path
    """Folder of the best checkpoint; of all candidates where a judge has to choose."""
    metrics: Path
    """metrics.jsonl, one line per step; while training goes on it grows in the state folder."""
    state: Path
    """Folder for checkpoints, outside the outputs."""
    identity: Path | None = None
    """JSON file with the content hash of the result; none where a judge has to choose it."""
    code: str | None = None
    """What the step's code means. A result that the same code has made before, and that was lost, is taken
    from the state folder; without this flag none is kept there."""
    revision: str | None = None
    """Of a hub model."""
    seed: int = 0
    """Of the order of examples or queries, of a new head's weights, of every response."""
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Who else gets every line of the metrics, with --logging-dir."""
    logging_dir: Path | None = None
    """Folder for TensorBoard's event files, and the run's name at W&B."""

    @property
    def outputs(self) -> list[Path]:
        """What the training writes."""
        return [self.output, *([self.identity] if self.identity else []), self.metrics]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Questions answered to choose the checkpoint."""

    validation: Path
    """QUERIES table on which the checkpoint is chosen."""
    task: str
    """How answers are read."""
    validation_golds: Path | None = None
    """Its GOLDS, one for each question (excludes --validation-labels); neither: the task is judged."""
    validation_labels: Path | None = None
    """Its LABELS, the teacher's votes; questions without one do not count."""
    max_tokens: int = 512
    """Longest completion."""
    stop: tuple[str, ...] | None = None
    """Strings that end a completion, which is cut before them; None: those of the template."""

    @property
    def validation_files(self) -> list[Path]:
        return [self.validation, *filter(None, [self.validation_golds, self.validation_labels])]


@dataclass(frozen=True)
class Preferences:
    """Pairs and the completions they point at."""

    teacher_samples: list[Path]
    """The teacher's SAMPLES, one file per round."""
    student_samples: list[Path]
    """The warm student's SAMPLES."""
    pairs: Path
    """PAIRS table; its split "train" is learnt."""
    best_score: float = 1.0
    """l*: 1 for verifiable tasks, 5 for judged ones."""

    @property
    def files(self) -> list[Path]:
        return [*self.teacher_samples, *self.student_samples, self.pairs]


@dataclass(frozen=True, kw_only=True)
class Distillation(Validation):
    """What a policy learns on, is paid by and is chosen on."""

    labels: Path
    """LABELS table, the pseudo-labels y*."""
    pairs: list[Path]
    """PAIRS tables, a reward's and the held-out ones; their queries are D_R."""
    reward_model: str = ""
    """Folder of the reward model, also the value network's start; none where the label is the reward, or the
    teacher gives it."""
    judge_prompt: Path | None = None
    """Template by which the teacher is asked for r; none where it is not."""
    teacher_samples: list[Path] = field(default_factory=list)
    """The teacher's SAMPLES, one file per round, for a reward model that goes on learning; else none."""
    unlabelled: bool = False
    """Learn the queries without a pseudo-label, too, under Eq. 11."""

    @property
    def files(self) -> list[Path]:
        judged = [self.judge_prompt] if self.judge_prompt else []
        return [self.labels, *self.pairs, *self.teacher_samples, *self.validation_files, *judged]
