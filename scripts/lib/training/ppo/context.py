"""What the PPO loop works with."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedTokenizerBase

from scripts.lib.models.endings import Endings
from scripts.lib.models.thoughts import ThoughtForm
from scripts.lib.training.ppo.judge import Judge
from scripts.lib.training.ppo.questions import Exam, Questions
from scripts.lib.training.ppo.rollout import Rollout


@dataclass(frozen=True)
class Context:
    """Data, tokens, networks (spread over the devices) and the sampler.

    `seed`: of the order of queries, of mini-batches and of every response. `max_tokens`: longest response.
    `form`: how the policy writes a thought before its reply.
    `value` is None where advantages need no value network, `reward_optimizer` where the reward model is
    fixed; `reward_model` where another gives r, `judge` where not the teacher does.
    """

    accelerator: Accelerator
    task: str
    max_tokens: int
    seed: int
    train: Questions
    validation: Exam
    tokenizer: PreTrainedTokenizerBase
    endings: Endings
    form: ThoughtForm
    policy: nn.Module
    value: nn.Module | None
    reference: nn.Module
    reward_model: nn.Module | None
    policy_optimizer: torch.optim.Optimizer
    value_optimizer: torch.optim.Optimizer | None
    reward_optimizer: torch.optim.Optimizer | None
    rollout: Rollout
    export_dtype: torch.dtype
    judge: Judge | None = None

    @property
    def trained(self) -> dict[str, tuple[nn.Module, torch.optim.Optimizer]]:
        """The networks that learn, each with its optimizer, by name."""
        networks = {"policy": (self.policy, self.policy_optimizer)}
        if self.value is not None and self.value_optimizer is not None:
            networks["value"] = self.value, self.value_optimizer
        if self.reward_model is not None and self.reward_optimizer is not None:
            networks["reward"] = self.reward_model, self.reward_optimizer
        return networks

    @property
    def judged(self) -> bool:
        """Whether a judge has to choose among the policies."""
        return self.validation.metric == "valid"
