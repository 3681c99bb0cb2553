"""Settings of PPO (Eq. 10 to 12), and of GRPO and RLOO, its loop without a value network."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.training.settings.base import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    Training,
)

RewardDesign = Literal["ours", "minus", "none", "label"]
AdvantageEstimator = Literal["gae", "grpo", "rloo"]
LossType = Literal["dapo", "grpo", "dr_grpo"]


@dataclass(frozen=True, kw_only=True)
class PpoTraining(Training):
    """PPO (Eq. 10 to 12), in the words of TRL's last PPOConfig; what only GRPO and RLOO have, in those of
    their configs, whose beta, epsilon and num_iterations are kl_coef, cliprange and num_ppo_epochs here.
    Counts of episodes are over all processes."""

    CUT: ClassVar = (
        *Training.CUT,
        "fsdp",
        "max_tokens_per_micro_batch",
        "vllm_gpu_memory_utilization",
        "max_judgements",
        "save_every",
    )

    reward_design: Annotated[RewardDesign, Source("Eq. 10, Eq. 11")] = "ours"
    """ours: Eq. 10; App. E.5: minus (r - 1 if wrong), none (no check); label: 1/0/-5, no reward model."""
    scored_by: Annotated[Literal["reward_model", "teacher"], Source("4.3: the reward model")] = "reward_model"
    """Who gives r. teacher: it judges every response that states an answer, as the variant's `judge` says;
    r is its score less the scale's middle, and of a judgement without a readable score the lowest."""
    max_judgements: Annotated[PositiveInt | None, Source("ours")] = None
    """The most judgements that a training asks the teacher for; then it ends, saved, and goes on once this is
    raised. What they may cost is the teacher's `server.max_dollars`. null: as many as there are responses."""
    missing_eos_penalty: Annotated[float | None, Gt(0), Source("silent: TRL's PPOConfig, none")] = None
    """Taken from the reward, -5 included, of a response cut off at max_tokens; null: nothing, one that states
    its answer and never ends is worth its r. A stop string is an end: where the student is asked, it stops
    there, too."""
    total_episodes: Annotated[PositiveInt, Source("App. C.2")] = 200_000
    """Responses to sample in all, the value warm-up included."""
    batch_size: Annotated[PositiveInt, Source("Table 8: 20 on each of 2 GPUs")] = 40
    """Episodes per iteration, over all processes."""
    advantage_estimator: Annotated[AdvantageEstimator, Source("Eq. 12: PPO")] = "gae"
    """gae: by a value network, PPO. The others have none and compare a query's `num_generations` responses:
    grpo (Shao et al. 2024) with their mean, scaled by `scale_rewards`; rloo (Ahmadian et al. 2024) with the
    mean of the other ones, and its ratio (Eq. 12) is that of whole responses."""
    num_generations: Annotated[PositiveInt, Source("PPO: one; TRL: GRPO 8, RLOO 2")] = 1
    """Responses to a query in a batch, which has batch_size / num_generations queries."""
    scale_rewards: Annotated[Literal["group", "batch", "none"], Source("TRL's GRPOConfig")] = "group"
    """The standard deviation that grpo divides by: of the query's rewards, of the batch's, or none."""
    loss_type: Annotated[LossType, Source("silent: TRL's PPO averages over tokens")] = "dapo"
    """How the losses of a mini-batch's tokens are averaged. dapo: over all tokens; grpo: over each
    response's, then over responses, as rloo always does; dr_grpo: their sum by responses x max_tokens."""
    num_ppo_epochs: Annotated[PositiveInt, Source("silent: TRL's PPOConfig")] = 4
    """Passes over each batch."""
    num_mini_batches: Annotated[PositiveInt, Source("silent: TRL's PPOConfig")] = 1
    """Optimizer steps per pass."""
    learning_rate: Annotated[PositiveFloat, Source("App. C.2, Table 8")] = 1e-5
    """Of the policy, AdamW."""
    value_learning_rate: Annotated[PositiveFloat, Source("silent: the policy's, as TRL's one optimizer")] = (
        1e-5
    )
    """Of the value network, AdamW."""
    lr_scheduler_type: Annotated[Literal["linear", "constant"], Source("silent: TRL's PPOConfig")] = "linear"
    """Linear to 0 over all iterations, or constant."""
    reward_learning_rate: Annotated[
        PositiveFloat | None, Source("ours: the paper's reward model is fixed")
    ] = None
    """Of the reward model, AdamW, where it goes on learning: after each batch, one pass over a teacher's
    answer against each response (Eq. 8), as GAD's discriminator (Ye et al. 2025); null: it stays as it is."""
    max_grad_norm: Annotated[float | None, Gt(0), Source("silent: TRL's PPO clips nothing")] = None
    """Clip of each network's gradient, by itself; null: no clip."""
    kl_coef: Annotated[NonNegativeFloat, Source("App. C.2")] = 0.2
    """Weight of the KL penalty."""
    kl_against: Annotated[Literal["ref", "old"], Source("silent: TRL's PPO")] = "ref"
    """ref: the initial policy; old: the policy that sampled the batch (Eq. 12 to the letter, with kl_in
    loss)."""
    kl_in: Annotated[Literal["reward", "loss"], Source("silent: TRL's PPO")] = "reward"
    """reward: per token inside the reward, as TRL; loss: a term of the loss."""
    kl_estimator: Annotated[Literal["k1", "k3"], Source("silent: TRL's PPOConfig")] = "k1"
    """k1 or k3, per token."""
    vf_coef: Annotated[NonNegativeFloat, Source("App. C.2")] = 0.1
    """Weight of the value loss; with its own optimizer nearly without effect."""
    cliprange: Annotated[PositiveFloat, Source("silent: TRL's PPOConfig")] = 0.2
    """Epsilon of Eq. 12."""
    cliprange_value: Annotated[PositiveFloat, Source("silent: TRL's PPOConfig")] = 0.2
    """How far values may move from the old ones."""
    gamma: Annotated[Share, Source("silent: TRL's PPOConfig")] = 1.0
    """Discount."""
    lam: Annotated[Share, Source("silent: TRL's PPOConfig")] = 0.95
    """Lambda of generalised advantage estimation."""
    temperature: Annotated[PositiveFloat, Source("silent: TRL's PPOConfig")] = 0.7
    """Of the rollouts and of all log-probabilities; above 0, for PPO explores by sampling."""
    value_warmup_iterations: Annotated[NonNegativeInt, Source("silent: none")] = 0
    """First iterations that train the value network alone."""
    eval_every: Annotated[PositiveInt, Source("silent: ours")] = 250
    """Iterations between validations."""
    patience: Annotated[NonNegativeInt, Source("App. C.2 stops early; how patiently: silent")] = 4
    """Validations without a new best before stopping; 0 never stops early."""
    save_every: Annotated[PositiveInt, Source("ours")] = 100
    """Iterations between checkpoints; a signal saves, too."""
    rollout: Annotated[Literal["auto", "transformers", "vllm"], Source("ours")] = "auto"
    """Who samples; auto: vLLM on CUDA, transformers elsewhere."""
    vllm_gpu_memory_utilization: Annotated[Share, Gt(0), Source("ours: the networks need the rest")] = 0.15
    """Share of the GPU's memory for vLLM."""
    max_tokens_per_micro_batch: Annotated[NonNegativeInt, Source("ours")] = 0
    """Padded tokens per pass of a process, for memory and speed; fewer where the plan finds no room for them,
    or memory runs out. 0: 8192 on CUDA, 1024 on a CPU, whose caches they then fit."""
    fsdp: Annotated[bool, Source("ours: a 1B student fits")] = False
    """Shard the trained networks over the processes (FSDP2), for 3B students."""
    gpus: Annotated[PositiveInt, Source("Table 8")] = 2

    @property
    def label_only(self) -> bool:
        """Whether the pseudo-label is the only reward."""
        return self.reward_design == "label"

    @property
    def asks_teacher(self) -> bool:
        """Whether the teacher's score is r."""
        return self.scored_by == "teacher"

    @property
    def without_reward_model(self) -> bool:
        return self.label_only or self.asks_teacher

    @property
    def has_critic(self) -> bool:
        """Whether a value network is trained beside the policy."""
        return self.advantage_estimator == "gae"

    @property
    def adversarial(self) -> bool:
        """Whether the reward model learns, too."""
        return self.reward_learning_rate is not None

    @property
    def whole_responses(self) -> bool:
        """Whether the ratio of Eq. 12 is that of a whole response, and losses are averaged over responses."""
        return self.advantage_estimator == "rloo"

    @property
    def algorithm(self) -> str:
        """Its name."""
        return "PPO" if self.has_critic else self.advantage_estimator.upper()

    @property
    def samples_itself(self) -> bool:
        """Whether rollouts come from a copy of the policy, also on CUDA, and not from an engine."""
        return self.rollout == "transformers"

    @property
    def iterations(self) -> int:
        return self.total_episodes // self.batch_size

    def rate(self, iteration: int) -> float:
        """The learning rates' factor in an iteration, which count from 1 (TRL:
        one scheduler step an iteration)."""
        return 1 - (iteration - 1) / self.iterations if self.lr_scheduler_type == "linear" else 1.0

    def agree(self) -> None:
        """Raise UserError for settings that cannot mean what they say."""
        if self.batch_size % self.num_mini_batches:
            raise UserError(
                f"batch_size {self.batch_size} must be a multiple of num_mini_batches {self.num_mini_batches}"
            )
        if self.batch_size % self.num_generations:
            raise UserError(
                f"batch_size {self.batch_size} must be a multiple of num_generations {self.num_generations}"
            )
        if self.asks_teacher and self.label_only:
            raise UserError("reward_design label reads no r; drop scored_by teacher, or take another design")
        if self.adversarial and self.without_reward_model:
            has_none = "reward_design label" if self.label_only else "scored_by teacher"
            raise UserError(f"reward_learning_rate needs a reward model; {has_none} has none")
        if self.max_judgements is not None and not self.asks_teacher:
            raise UserError("max_judgements is for scored_by teacher; drop it, nobody is asked")
        if not self.has_critic:
            self._agree_without_critic()
        if self.iterations <= self.value_warmup_iterations:
            raise UserError(
                f"total_episodes {self.total_episodes} make {self.iterations} iterations, "
                f"of which {self.value_warmup_iterations} only warm the value network up: "
                "the policy would never move; raise total_episodes"
            )
        if self.kl_against == "old" and self.kl_in == "reward":
            raise UserError(
                "kl_against old is zero while sampling; use it with kl_in loss (Eq. 12), or kl_against ref"
            )

    def _agree_without_critic(self) -> None:
        name = f"advantage_estimator {self.advantage_estimator}"
        if self.num_generations < 2:
            raise UserError(f"{name} compares the responses to one query: set num_generations to at least 2")
        if self.value_warmup_iterations:
            raise UserError(f"{name} has no value network to warm up; set value_warmup_iterations: 0")
        if self.whole_responses and self.loss_type != "dapo":
            raise UserError(f"{name} averages over responses; leave loss_type {self.loss_type} out")
