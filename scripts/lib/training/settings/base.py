"""What every training is told: a class that is config block, command-line flags and runtime object at once.
No torch here.

A default is the paper's for a 1B student, or what its `Source` names. Where the paper is silent TRL is
followed.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Gt, Le

from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

PositiveInt = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
CANDIDATES = 8
"""Checkpoints that a judge chooses among, at most, where it has to: each answers all validation questions."""
Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class Training(StepSettings):
    """What every training takes, in TRL's words."""

    CUT: ClassVar[tuple[str, ...]] = ("gradient_checkpointing", "gpus")
    """Settings that say how the work is cut or run: they move a result's last bits at most, and re-run
    nothing."""

    learning_rate: PositiveFloat
    """Of AdamW."""
    patience: NonNegativeInt
    """Evaluations without a new best before stopping; 0 never stops early."""
    bf16: Annotated[bool | None, Source("silent: TRL's default on CUDA")] = None
    """Mixed precision in bfloat16; null: on CUDA, and on CPUs with AMX from 10 million parameters on."""
    gradient_checkpointing: Annotated[bool, Source("ours: a 1B student fits")] = False
    """Recompute activations, for large students."""
    gpus: PositiveInt
    """GPUs to train on, one process each."""

    @property
    def without_reward_model(self) -> bool:
        """Whether no reward model is needed: another than it pays."""
        return False

    def shape(self, processes: int) -> dict[str, Any]:
        """The settings that shape the result of a training on so many processes."""
        return {name: value for name, value in asdict(self).items() if name not in self.CUT}

    def on(self, processes: int, here: int) -> Self:
        """The same training, meant for so many processes, on the fewer that are `here`, a divisor of them."""
        return self


@dataclass(frozen=True, kw_only=True)
class Supervised(Training):
    """What TRL's trainers take, on examples or pairs that are there before the training begins."""

    CUT: ClassVar = (*Training.CUT, "per_device_train_batch_size", "gradient_accumulation_steps")

    per_device_train_batch_size: PositiveInt
    """Examples (or pairs) a process takes per step; fewer, with more accumulation, where the plan finds no
    room for them, or memory runs out."""
    gradient_accumulation_steps: PositiveInt
    """Steps that make one update."""
    num_train_epochs: Annotated[PositiveFloat, Source("App. C.2")] = 4.0
    """Passes over the examples, unless max_steps is positive."""
    max_steps: Annotated[int, Source("silent: num_train_epochs")] = -1
    """Updates; overrides num_train_epochs when positive."""
    max_length: Annotated[int | None, Gt(0), Source("silent: none is left out")] = None
    """Examples (or pairs with a side) of more tokens than this are left out and counted; null keeps all."""
    lr_scheduler_type: Annotated[
        Literal["linear", "cosine", "polynomial", "inverse_sqrt", "constant", "constant_with_warmup"],
        Source("silent: TRL's default"),
    ] = "linear"
    """Transformers' name of a schedule."""
    warmup_steps: Annotated[NonNegativeInt, Source("silent: TRL's default")] = 0
    """Updates over which the learning rate rises to its full height."""
    eval_steps: PositiveInt
    """Updates between evaluations; each is also a checkpoint."""

    def shape(self, processes: int) -> dict[str, Any]:
        """With the examples of an update, `train_batch_size`, instead of how they are cut."""
        batch = self.per_device_train_batch_size * self.gradient_accumulation_steps * processes
        return super().shape(processes) | {"train_batch_size": batch}

    def on(self, processes: int, here: int) -> Self:
        """With more steps per update, so that it holds the same examples."""
        steps = self.gradient_accumulation_steps * processes // here
        return replace(self, gradient_accumulation_steps=steps)


@dataclass(frozen=True, kw_only=True)
class Generating(Supervised):
    """What trainers take whose checkpoint is chosen by the answers it generates."""

    CUT: ClassVar = (*Supervised.CUT, "generation_batch_size")

    generation_batch_size: Annotated[PositiveInt, Source("ours")] = 512
    """Validation questions answered side by side; fewer when memory runs out."""
