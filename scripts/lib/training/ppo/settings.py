"""What PPO is told: flags, held once, with their meanings. No torch here."""

from dataclasses import dataclass
from typing import Literal

from scripts.lib.training.ppo.reward import RewardDesign


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters. Defaults are the paper's for a 1B student (App. C.2, Table 8), and TRL's PPOConfig where it is silent.

    Counts of episodes are over all processes.
    """

    reward_design: RewardDesign = "ours"
    """ours = Eq. 10; App. E.5: minus (r - 1 if wrong), none (no check); label = 1/0/-5, no reward model."""
    total_episodes: int = 200_000
    """Responses to sample in all, the value warm-up included."""
    batch_size: int = 40
    """Episodes an iteration, over all processes."""
    num_ppo_epochs: int = 4
    """Passes over each batch."""
    num_mini_batches: int = 1
    """Optimizer steps a pass."""
    learning_rate: float = 1e-5
    """Of the policy, AdamW."""
    value_learning_rate: float = 1e-5
    """Of the value network."""
    lr_scheduler_type: Literal["linear", "constant"] = "linear"
    """Linear to 0 over all iterations, or constant."""
    max_grad_norm: float | None = 1.0
    """Gradient clip of each network by itself; None = no clip, as TRL's PPO."""
    kl_coef: float = 0.2
    """Weight of the KL penalty."""
    kl_against: Literal["ref", "old"] = "ref"
    """ref = the initial policy; old = the policy that sampled the batch (Eq. 12 to the letter, with --kl-in loss)."""
    kl_in: Literal["reward", "loss"] = "reward"
    """reward = per token inside the reward, as TRL; loss = a term of the loss."""
    kl_estimator: Literal["k1", "k3"] = "k1"
    """k1 or k3, per token."""
    vf_coef: float = 0.1
    """Weight of the value loss; with its own optimizer nearly without effect."""
    cliprange: float = 0.2
    """Epsilon of Eq. 12."""
    cliprange_value: float = 0.2
    """How far values may move from the old ones."""
    gamma: float = 1.0
    """Discount."""
    lam: float = 0.95
    """Lambda of GAE."""
    temperature: float = 0.7
    """Of the rollouts and of all log-probabilities."""
    max_tokens: int = 512
    """Longest response."""
    value_warmup_iterations: int = 0
    """First iterations that train the value network alone."""
    eval_every: int = 50
    """Iterations between validations."""
    patience: int = 5
    """Validations without a new best before stopping; 0 = never."""
    save_every: int = 50
    """Iterations between checkpoints; a signal saves too."""
    seed: int = 0
    """Of the order of queries, of mini-batches and of every response."""
    max_tokens_per_micro_batch: int = 0
    """Padded tokens a process handles in one pass, for memory and speed, not the result; fewer when memory runs out. 0 = 8192 on
    CUDA, 1024 on a CPU, whose caches they then fit."""

    @property
    def iterations(self) -> int:
        return self.total_episodes // self.batch_size

    def rate(self, iteration: int) -> float:
        """The learning rates' factor in an iteration, which count from 1 (TRL: one scheduler step an iteration)."""
        return 1 - (iteration - 1) / self.iterations if self.lr_scheduler_type == "linear" else 1.0


@dataclass(frozen=True)
class Machine:
    """How PPO runs, which moves its result's last bits only (vLLM and transformers draw differently)."""

    rollout: Literal["auto", "transformers", "vllm"] = "auto"
    """Who samples; auto = vLLM on CUDA, transformers elsewhere."""
    vllm_gpu_memory_utilization: float = 0.35
    """Share of the GPU's memory for vLLM."""
    mixed_precision: Literal["auto", "no", "bf16"] = "auto"
    """auto = bf16 on CUDA, fp32 elsewhere."""
    gradient_checkpointing: bool = False
    """Recompute activations, for large students."""
    fsdp: bool = False
    """Shard the trained networks over the processes (FSDP2), for 3B students."""


@dataclass(frozen=True)
class Questions:
    """Rendered prompts; `targets`: pseudo-labels y* in training (None: open-ended), canonical golds in validation."""

    prompts: list[list[int]]
    options: list[list[str]]
    targets: list[str | None]
