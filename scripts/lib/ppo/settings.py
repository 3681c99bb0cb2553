"""What the PPO loop is told (Settings) and what it works with (Context)."""

from dataclasses import dataclass
from typing import Literal

import torch
from accelerate import Accelerator
from torch import nn

from scripts.lib.ppo.reward import RewardDesign
from scripts.lib.ppo.rollout import Rollout


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters; `scripts.train_ppo.main` documents them. Counts of episodes are over all processes."""

    reward_design: RewardDesign
    total_episodes: int
    batch_size: int
    num_ppo_epochs: int
    num_mini_batches: int
    learning_rate: float
    value_learning_rate: float
    lr_scheduler_type: Literal["linear", "constant"]
    max_grad_norm: float | None
    kl_coef: float
    kl_against: Literal["ref", "old"]
    kl_in: Literal["reward", "loss"]
    kl_estimator: Literal["k1", "k3"]
    vf_coef: float
    cliprange: float
    cliprange_value: float
    gamma: float
    lam: float
    temperature: float
    max_tokens: int
    value_warmup_iterations: int
    eval_every: int
    patience: int
    save_every: int
    seed: int
    max_tokens_per_micro_batch: int

    @property
    def iterations(self) -> int:
        return self.total_episodes // self.batch_size

    def rate(self, iteration: int) -> float:
        """The learning rates' factor in an iteration, which count from 1 (TRL: one scheduler step an iteration)."""
        return 1 - (iteration - 1) / self.iterations if self.lr_scheduler_type == "linear" else 1.0


@dataclass(frozen=True)
class Questions:
    """Rendered prompts; `targets`: pseudo-labels y* in training (None: open-ended), canonical golds in validation."""

    prompts: list[list[int]]
    options: list[list[str]]
    targets: list[str | None]


@dataclass(frozen=True)
class Context:
    """What the loop works with: data, tokens, networks (spread over the devices) and the sampler."""

    accelerator: Accelerator
    task: str
    train: Questions
    validation: Questions
    tokenizer: object
    end_token_ids: list[int]
    pad_token_id: int
    policy: nn.Module
    value: nn.Module
    reference: nn.Module
    reward_model: nn.Module | None
    policy_optimizer: torch.optim.Optimizer
    value_optimizer: torch.optim.Optimizer
    rollout: Rollout
    export_dtype: torch.dtype
