"""Check PPO's settings and load what the loop works with."""

import torch

from scripts.lib.errors import UserError
from scripts.lib.models.loading import end_token_ids, pad_token_id
from scripts.lib.training.ppo.context import Context
from scripts.lib.training.ppo.model import Policy, Scorer, load, load_value_model, spread
from scripts.lib.training.ppo.rollout import TransformersRollout, VllmRollout
from scripts.lib.training.ppo.settings import Machine, Questions, Settings
from scripts.lib.training.setup import saved_dtype


def check(settings: Settings, reward_model: str, has_golds: bool, world: int) -> None:
    """Raise UserError on settings that cannot mean what they say."""
    parts = settings.num_mini_batches * world
    if settings.batch_size % parts:
        raise UserError(
            f"--batch-size {settings.batch_size} must be a multiple of --num-mini-batches x processes = {parts}"
        )
    if settings.iterations <= settings.value_warmup_iterations:
        raise UserError(
            f"--total-episodes {settings.total_episodes} make {settings.iterations} iterations of {settings.batch_size}, of which "
            f"{settings.value_warmup_iterations} only warm the value network up: the policy would never move; raise --total-episodes"
        )
    if settings.kl_against == "old" and settings.kl_in == "reward":
        raise UserError(
            "--kl-against old is zero while sampling; use it with --kl-in loss (Eq. 12), or --kl-against ref"
        )
    if (settings.reward_design == "label") != (not reward_model):
        raise UserError("--reward-design label takes no --reward-model, the other designs need one")
    if not has_golds and not reward_model:
        raise UserError(
            "without --validation-golds policies are chosen by the reward model, which --reward-design label lacks"
        )
    if settings.temperature <= 0:
        raise UserError("--temperature must be above 0: PPO explores by sampling")
    if min(settings.eval_every, settings.save_every, settings.batch_size, settings.max_tokens) < 1:
        raise UserError("--eval-every, --save-every, --batch-size and --max-tokens must be at least 1")


def build(
    settings: Settings,
    model: str,
    revision: str | None,
    reward_model: str,
    task: str,
    train: Questions,
    validation: Questions,
    tokenizer,
    accelerator,
    machine: Machine,
) -> Context:
    """Load the networks: trained ones in fp32, frozen ones and the sampler in bf16 under bf16, all on the device."""
    cuda = accelerator.device.type == "cuda"
    frozen = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
    actor = load("policy", model, torch.float32, revision=revision)
    ends, pad = end_token_ids(tokenizer, actor.generation_config), pad_token_id(tokenizer)
    if machine.rollout == "vllm" or (machine.rollout == "auto" and cuda):
        longest = max(map(len, train.prompts + validation.prompts)) + settings.max_tokens
        dtype = str(frozen).removeprefix("torch.")
        sampler = VllmRollout(
            model, ends, longest, machine.vllm_gpu_memory_utilization, dtype=dtype, revision=revision
        )
    else:
        sampler = TransformersRollout(
            load("policy", model, frozen, revision=revision).to(accelerator.device), ends, pad
        )
    critic = load_value_model(model, revision, reward_model, torch.float32)
    if critic.config.get_text_config().vocab_size != actor.config.get_text_config().vocab_size:
        raise UserError(
            f"{reward_model} and {model} have different vocabularies; train the reward model from this student"
        )
    if machine.gradient_checkpointing:
        for network in (actor, critic):
            network.gradient_checkpointing_enable()
            network.train()
    policy = spread(accelerator, Policy(actor, settings.temperature), machine.fsdp)
    value = spread(accelerator, Scorer(critic), machine.fsdp)

    def optimizer(network, learning_rate: float):
        return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)

    def freeze(network):
        return network.to(accelerator.device).requires_grad_(False)

    return Context(
        accelerator=accelerator,
        task=task,
        train=train,
        validation=validation,
        tokenizer=tokenizer,
        end_token_ids=ends,
        pad_token_id=pad,
        policy=policy,
        value=value,
        reference=freeze(Policy(load("policy", model, frozen, revision=revision), settings.temperature)),
        reward_model=freeze(Scorer(load("reward", reward_model, frozen))) if reward_model else None,
        policy_optimizer=optimizer(policy, settings.learning_rate),
        value_optimizer=optimizer(value, settings.value_learning_rate),
        rollout=sampler,
        export_dtype=saved_dtype(model, revision),
    )
