"""Flags that training steps share. Their names and meanings stand here once; each step gives its own defaults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Run:
    """What a training starts from, what it writes, and how it is watched."""

    model: str
    """Where it starts: a folder or hub id."""
    queries: Path
    """QUERIES table that the training data point at."""
    prompt: Path
    """Prompt template file."""
    output: Path
    """Folder of the best checkpoint."""
    identity: Path
    """JSON file with the content hash of the result."""
    metrics: Path
    """metrics.jsonl, one line a step; while training goes on it grows in the state folder."""
    state: Path
    """Folder for checkpoints, outside the outputs."""
    revision: str | None = None
    """Of a hub model."""
    chat: bool = True
    """Put prompts through the chat template."""
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Who else gets every line of the metrics, with --logging-dir."""
    logging_dir: Path | None = None
    """Folder for TensorBoard's event files, and the run's name at W&B."""


@dataclass(frozen=True)
class Validation:
    """Questions answered greedily to choose the checkpoint."""

    validation: Path
    """QUERIES table on which the checkpoint is chosen."""
    validation_golds: Path
    """Its GOLDS; an empty table where nobody knows the answers."""
    task: str
    """How answers are read, on validation."""
    max_tokens: int = 512
    """Longest completion on validation."""
    generation_batch_size: int = 512
    """Validation questions answered side by side; fewer when memory runs out."""


@dataclass(frozen=True)
class Preferences:
    """Pairs and the completions they point at."""

    teacher_samples: list[Path]
    """The teacher's SAMPLES, one file a round."""
    student_samples: list[Path]
    """The warm student's SAMPLES."""
    pairs: Path
    """PAIRS table; its split "train" is learnt."""
    best_score: float = 1.0
    """l*: 1 for verifiable tasks, 5 for judged ones."""

    @property
    def files(self) -> list[Path]:
        return [*self.teacher_samples, *self.student_samples, self.pairs]


@dataclass(frozen=True)
class Trainer:
    """Hyper-parameters, in TRL's words."""

    learning_rate: float
    """Of AdamW."""
    per_device_train_batch_size: int
    """Examples (or pairs) a step and process; fewer, with more accumulation, when memory runs out."""
    gradient_accumulation_steps: int = 1
    """Steps that make one update."""
    num_train_epochs: float = 4.0
    """Passes over the examples, unless max_steps is positive."""
    max_steps: int = -1
    """Updates."""
    max_length: int | None = None
    """Examples (or pairs with a side) of more tokens than this are left out and counted; None keeps all."""
    lr_scheduler_type: str = "linear"
    """Transformers' name of a schedule."""
    warmup_steps: int = 0
    """Linear warm-up."""
    eval_steps: int = 100
    """Updates between evaluations; each is also a checkpoint."""
    patience: int = 0
    """Evaluations without a new best before stopping; 0 never stops early."""
    gradient_checkpointing: bool = False
    """Recompute activations, for large students."""
    bf16: bool | None = None
    """Mixed precision; None = on CUDA only."""
    seed: int = 0
    """Of the order of examples, and of a new head's weights."""
