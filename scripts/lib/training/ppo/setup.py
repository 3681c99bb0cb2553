"""Check PPO's settings and load what the loop works with."""

import torch

from scripts.lib.errors import UserError
from scripts.lib.models.endings import Endings
from scripts.lib.models.loading import end_token_ids
from scripts.lib.models.thoughts import ThoughtForm
from scripts.lib.training.flags import Distillation, TrainingRun
from scripts.lib.training.ppo.context import Context
from scripts.lib.training.ppo.judge import Judge
from scripts.lib.training.ppo.model import Policy, Scorer, load, load_value_model, spread
from scripts.lib.training.ppo.questions import Exam, Questions
from scripts.lib.training.ppo.rollout import Rollout, TransformersRollout, VllmRollout
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.setup import saved_dtype


def check(settings: PpoTraining, data: Distillation, world: int) -> None:
    """Raise UserError on settings that cannot mean what they say, with these data and so many processes."""
    parts = settings.num_mini_batches * world
    if settings.batch_size % parts:
        raise UserError(
            f"batch_size {settings.batch_size} must be a multiple of num_mini_batches x processes = {parts}"
        )
    if settings.without_reward_model != (not data.reward_model):
        raise UserError(
            "reward_design label and scored_by teacher take no --reward-model, all else needs one"
        )
    if settings.asks_teacher != bool(data.judge_prompt):
        raise UserError("scored_by teacher needs --judge-prompt, scored_by reward_model none")
    if settings.adversarial != bool(data.teacher_samples):
        raise UserError("a reward_learning_rate needs --teacher-samples, a fixed reward model none")
    if data.max_tokens < 1:
        raise UserError(f"--max-tokens is {data.max_tokens}; it must be at least 1")


def build(
    settings: PpoTraining,
    run: TrainingRun,
    data: Distillation,
    train: Questions,
    validation: Exam,
    tokenizer,
    accelerator,
    stop: tuple[str, ...] = (),
    form: ThoughtForm = ThoughtForm(),  # noqa: B008
    judge: Judge | None = None,
) -> Context:
    """Load the networks: trained ones in fp32, frozen ones and the sampler in bf16 under bf16,
    all on the device. `stop`: strings that end a response; `form`: how one writes a thought; `judge`: who
    gives r where no reward model does."""
    model, revision, reward_model = run.model, run.revision, data.reward_model
    cuda = accelerator.device.type == "cuda"
    frozen = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
    actor = load("policy", model, torch.float32, revision=revision)
    endings = Endings(tokenizer, end_token_ids(tokenizer, actor.generation_config), stop)
    if settings.rollout == "vllm" or (settings.rollout == "auto" and cuda):
        longest = max(map(len, train.prompts + validation.prompts)) + data.max_tokens
        dtype = str(frozen).removeprefix("torch.")
        sampler: Rollout = VllmRollout(
            model, endings, longest, settings.vllm_gpu_memory_utilization, dtype=dtype, revision=revision
        )
    else:
        sampler = TransformersRollout(
            load("policy", model, frozen, revision=revision).to(accelerator.device), endings
        )
    critic = load_value_model(model, revision, reward_model, torch.float32) if settings.has_critic else None
    kept = torch.float32 if settings.adversarial else frozen
    scorer = Scorer(load("reward", reward_model, kept)) if reward_model else None
    for scoring in filter(None, (scorer and scorer.model, critic)):
        if scoring.config.get_text_config().vocab_size != actor.config.get_text_config().vocab_size:
            raise UserError(
                f"{reward_model} and {model} have different vocabularies; "
                "train the reward model from this student"
            )
    if settings.gradient_checkpointing:
        for network in filter(
            None, (actor, critic, scorer.model if scorer and settings.adversarial else None)
        ):
            network.gradient_checkpointing_enable()
            network.train()
    policy = spread(accelerator, Policy(actor, settings.temperature), settings.fsdp)
    value = spread(accelerator, Scorer(critic), settings.fsdp) if critic else None
    adversary = spread(accelerator, scorer, settings.fsdp) if scorer and settings.adversarial else None

    def optimizer(network, learning_rate: float | None):
        return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)

    def freeze(network):
        return network.to(accelerator.device).requires_grad_(False)

    return Context(
        accelerator=accelerator,
        task=data.task,
        max_tokens=data.max_tokens,
        seed=run.seed,
        train=train,
        validation=validation,
        tokenizer=tokenizer,
        endings=endings,
        form=form,
        policy=policy,
        value=value,
        reference=freeze(Policy(load("policy", model, frozen, revision=revision), settings.temperature)),
        reward_model=adversary or (freeze(scorer) if scorer else None),
        policy_optimizer=optimizer(policy, settings.learning_rate),
        value_optimizer=optimizer(value, settings.value_learning_rate) if value else None,
        reward_optimizer=optimizer(adversary, settings.reward_learning_rate) if adversary else None,
        rollout=sampler,
        export_dtype=saved_dtype(model, revision),
        judge=judge,
    )
