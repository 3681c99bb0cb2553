"""The blocks of the variants: what a study's row does, one class for each kind.

What the rules, the plan and the report know of those that train is in `methods.py`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from scripts.lib.config.block import Block
from scripts.lib.config.models import Judge
from scripts.lib.config.training import Trained
from scripts.lib.settings.source import Source
from scripts.lib.training.settings.dpo import DpoTraining
from scripts.lib.training.settings.gkd import GkdTraining
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.settings.sft import SftTraining


class NoTraining(Block):
    """The base student (ICL) or the teacher, as they are."""

    evaluated: ClassVar[bool] = True
    method: Literal["icl", "teacher"]
    """Its kind."""

    @property
    def who(self) -> str:
        """Which of a row's models answers."""
        return "teacher" if self.method == "teacher" else "student"


class RewardOnly(Block):
    """Stop after the reward model and its evaluation."""

    evaluated: ClassVar[bool] = False
    method: Literal["reward"]
    """Its kind."""
    reward: str = Field(description="reward model that is trained and measured")


class JudgeOnly(Block):
    """Hold the teacher's own scores of its samples against its vote (Table 5); nothing is trained."""

    evaluated: ClassVar[bool] = False
    method: Literal["judge"]
    """Its kind."""


class Repeated(Block):
    """A student that answers a question several times (`students.<name>.repeated`), of which one is taken."""

    evaluated: ClassVar[bool] = True
    method: Literal["majority", "best_of_n"]
    """majority: the commonest answer, of a tie none (self-consistency); best_of_n: the one that a reward
    model scores best."""
    samples_of: str = Field(description="variant whose student answers")
    reward: str | None = None
    """Reward model that chooses (best_of_n)."""

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if (self.method == "best_of_n") != (self.reward is not None):
            raise ValueError("best_of_n needs a reward, a majority takes none")
        return self


class TrainedVariant(Trained):
    """A student that is trained, by one of `METHODS`."""

    evaluated: ClassVar[bool] = True
    method: str
    """Its kind."""

    @property
    def needs_labels(self) -> bool:
        """Whether pseudo-labels, or a judge's scores, say what is learnt."""
        return True


class AfterWarmup(TrainedVariant):
    """A student that is trained further, on what a reward model learns from or says."""

    warmup: str = Field(description="variant whose student it starts from")
    reward: str = Field(description="reward model, or whose pairs are learnt")

    @property
    def pairs(self) -> str:
        """The reward whose pairs, or their queries, are learnt."""
        return self.reward


class Sft(TrainedVariant):
    """Supervised fine-tuning on all teacher answers, on the good ones (Eq. 2), or on a student's own."""

    method: Literal["sft"]
    """Its kind."""
    answers: Literal["all", "good", "student_good"] = Field(
        description="the teacher's, all or those of the best score (Eq. 2), or a student's own of the best "
        "score (Eq. 4; rejection sampling, RFT, arXiv 2308.01825)"
    )
    samples_of: str | None = None
    """Variant whose student's answers are learnt (`answers: student_good`)."""
    warmup: str | None = None
    """Variant whose student it starts from; null: the base student, as RFT."""
    matches: str | None = None
    """Variant whose GPU-hours on the student's side it is given: `max_steps` and `eval_steps` follow, unless
    `max_steps` says a number."""
    training: SftTraining = Field(default_factory=SftTraining)
    """How it is trained."""

    @property
    def needs_labels(self) -> bool:
        return self.answers != "all"

    @model_validator(mode="after")
    def _sampled(self) -> Self:
        if (self.answers == "student_good") != (self.samples_of is not None):
            raise ValueError("answers: student_good needs samples_of, whose student's; others take none")
        return self


class Gkd(TrainedVariant):
    """Distillation of the teacher's logits (GKD): the white-box reference, where both share a tokenizer."""

    method: Literal["gkd"]
    """Its kind."""
    answers: Annotated[Literal["all", "good"], Source("ours")] = "all"
    """The teacher's, all or those of the best score (Eq. 2), for the examples that are not the student's
    own."""
    warmup: str | None = None
    """Variant whose student it starts from; null: the base student."""
    training: GkdTraining = Field(default_factory=GkdTraining)
    """How it is trained."""

    @property
    def needs_labels(self) -> bool:
        return self.answers == "good"


class Ppo(AfterWarmup):
    """PPO from the `warmup` variant's student under the reward model `reward`."""

    method: Literal["ppo"]
    """Its kind."""
    queries: Annotated[Literal["labelled", "all"], Source("4.4: D_R")] = "labelled"
    """labelled: D_R, the queries of the pairs; all: also those that got no pseudo-label, under Eq. 11."""
    queries_of: str | None = None
    """Reward whose pairs' queries are D_R; null: those of `reward` (Table 6: one D_R for all)."""
    judge: Judge | None = None
    """How the teacher scores where it gives r (`scored_by: teacher`); null: as its own block says."""
    training: PpoTraining = Field(default_factory=PpoTraining)
    """How it is trained."""

    @property
    def pairs(self) -> str:
        return self.queries_of or self.reward

    @model_validator(mode="after")
    def _paid(self) -> Self:
        if self.queries == "all" and self.training.label_only:
            raise ValueError("queries: all needs a reward model; reward_design label pays by the label alone")
        if self.judge is not None and not self.training.asks_teacher:
            raise ValueError("judge is for training.scored_by: teacher; set that, or drop judge")
        return self


class Dpo(AfterWarmup):
    """DPO from the `warmup` variant's student on the pairs of `reward`."""

    method: Literal["dpo"]
    """Its kind."""
    training: DpoTraining = Field(default_factory=DpoTraining)
    """How it is trained."""


Variant = Annotated[
    NoTraining | RewardOnly | JudgeOnly | Repeated | Sft | Gkd | Ppo | Dpo, Field(discriminator="method")
]
