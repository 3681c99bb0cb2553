"""Rewards and variants: what is trained, from what, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from scripts.lib.config.block import Block, Share


class Trainer(Block):
    """What every trainer takes, in TRL's words."""

    learning_rate: PositiveFloat
    per_device_train_batch_size: PositiveInt
    gradient_accumulation_steps: PositiveInt = 1
    num_train_epochs: PositiveFloat = 4
    max_steps: int = Field(-1, description="overrides num_train_epochs when positive")
    lr_scheduler_type: str = "linear"
    eval_steps: PositiveInt = 100
    patience: NonNegativeInt = Field(
        0, description="evaluations without gain before stopping; 0: never stop early"
    )
    max_length: PositiveInt | None = Field(
        None, description="examples of more tokens are left out; null: none"
    )
    gradient_checkpointing: bool = Field(False, description="recompute activations, for large students")
    gpus: PositiveInt = Field(1, description="GPUs to train on, one process each")


class SftTraining(Trainer):
    """Warm-up (Eq. 3)."""

    answers_per_query: PositiveInt = Field(10, description="at most so many teacher answers a query")


class DpoTraining(Trainer):
    """Direct preference optimisation on the same pairs (Table 11)."""

    beta: PositiveFloat = 0.1


class RewardTraining(Trainer):
    """Reward model (Eq. 7 to 9)."""

    loss: Literal["both", "classification"] = Field(
        "both", description="Eq. 9, or Eq. 7 alone: an outcome reward model (Table 6)"
    )
    lam: NonNegativeFloat = Field(0.5, description="lambda of Eq. 9")


class PpoTraining(Block):
    """PPO (Eq. 10 to 12), in the words of TRL's last PPOConfig."""

    reward_design: Literal["ours", "minus", "none", "label"] = Field(
        "ours", description="consistency check (E.5)"
    )
    total_episodes: PositiveInt = 200_000
    batch_size: PositiveInt = Field(description="episodes an iteration, over all GPUs")
    num_ppo_epochs: PositiveInt = 4
    num_mini_batches: PositiveInt = 1
    learning_rate: PositiveFloat = 1e-5
    value_learning_rate: PositiveFloat = 1e-5
    lr_scheduler_type: Literal["linear", "constant"] = "linear"
    max_grad_norm: PositiveFloat = Field(
        1.0, description="clip of the policy's and of the value network's gradient, apart"
    )
    kl_coef: NonNegativeFloat = 0.2
    kl_against: Literal["ref", "old"] = "ref"
    kl_in: Literal["reward", "loss"] = "reward"
    kl_estimator: Literal["k1", "k3"] = "k1"
    vf_coef: NonNegativeFloat = 0.1
    cliprange: PositiveFloat = 0.2
    cliprange_value: PositiveFloat = 0.2
    gamma: Share = 1.0
    lam: Share = Field(0.95, description="lambda of generalised advantage estimation")
    temperature: PositiveFloat = 0.7
    value_warmup_iterations: NonNegativeInt = 0
    eval_every: PositiveInt = 10
    patience: NonNegativeInt = 0
    save_every: PositiveInt = 10
    gradient_checkpointing: bool = Field(False, description="recompute activations, for large students")
    fsdp: bool = Field(False, description="shard the trained networks over the GPUs, for 3B students")
    gpus: PositiveInt = Field(1, description="GPUs to train on, one process each")


class PairSettings(Block):
    """Preference pairs (Eq. 5, 6)."""

    answers: Literal["both", "teacher", "student"] = Field(
        "both",
        description="whose: both (Eq. 5), or one model's own right over wrong (Table 6's ORM-T, ORM-S)",
    )
    max_student_pairs: NonNegativeInt = Field(
        6, description="S over S pairs (of ORM-T, T over T) a query; 0: all"
    )
    max_teacher_pairs: NonNegativeInt = Field(4, description="T+ over S+ pairs a query; 0: all")
    teacher_ratio: NonNegativeFloat | None = Field(
        None, description="teacher pairs for one student pair (App. E.2); null: as they come"
    )
    validation_fraction: Share = 0.1


class Reward(Block):
    """A reward model: whose student samples it learns from, which pairs, and how."""

    warmup: str = Field(description="variant that gives the warm student")
    pairs: PairSettings = PairSettings()
    training: RewardTraining


class NoTraining(Block):
    """The base student (ICL) or the teacher, as they are."""

    method: Literal["icl", "teacher"]


class Sft(Block):
    """Supervised fine-tuning on all teacher answers, or on the good ones (Eq. 2)."""

    method: Literal["sft"]
    answers: Literal["all", "good"]
    training: SftTraining


class Ppo(Block):
    """PPO from the `warmup` variant's student under the reward model `reward`."""

    method: Literal["ppo"]
    warmup: str
    reward: str
    queries: str | None = Field(
        None,
        description="reward whose pairs' queries are D_R; null: those of `reward` (for Table 6: one D_R for all)",
    )
    training: PpoTraining


class Dpo(Block):
    """DPO from the `warmup` variant's student on the pairs of `reward`."""

    method: Literal["dpo"]
    warmup: str
    reward: str
    training: DpoTraining


class RewardOnly(Block):
    """Stop after the reward model and its evaluation."""

    method: Literal["reward"]
    reward: str


Variant = Annotated[NoTraining | Sft | Ppo | Dpo | RewardOnly, Field(discriminator="method")]
