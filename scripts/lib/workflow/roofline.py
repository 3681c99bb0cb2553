"""How long a GPU takes to sample and to train: a roofline, held to the hours of the paper's App. F.

Arithmetic and bytes of one named GPU, divided by an efficiency that is set so that the model gives the hours
of App. F; `tests/lib/workflow/test_costs.py` holds it to them.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """A GPU: dense bf16 FLOP/s, memory bytes/s, bytes of memory as CUDA counts them (80 GiB and 141 GB, less
    what the driver keeps)."""

    flops: float
    bandwidth: float
    memory: float


GPUS = {
    "a100": Gpu(312e12, 2.0e12, 85e9),
    "h100": Gpu(989e12, 3.35e12, 85e9),
    "h200": Gpu(989e12, 4.8e12, 150e9),
}
CPU_FLOPS = 2e10
"""What two CPU cores reach on the embedded world's small matrices, forward or backward."""

PROMPT_TOKENS = 150
TYPICAL_LENGTH = 0.35
"""Tokens of a usual completion as a share of max_tokens: 180 of 512 on GSM8K."""

SAMPLING_EFFICIENCY = 0.0245
"""App. F, student generation: 30 answers to 6,725 queries in 3 (1B) and 7.5 (3B) hours on one H100."""
TRAINING_EFFICIENCY = 0.61
STEP_SECONDS = 0.28
"""App. F, reward model: every optimiser step also costs so many seconds for each 1e9 parameters (1B 1 h,
3B 4 h x 4)."""
PPO_EFFICIENCY = 0.4
DECODE_SECONDS = 0.0138
"""App. F, PPO: a decoding step costs so many seconds for each 1e9 parameters (1B 8 h x 4 for 5k steps,
3B 32 h for 8k)."""
ROLLOUT_LENGTH = 0.6
"""Length of the longest completion of a PPO batch as a share of max_tokens: decoding waits for it."""
PPO_FORWARDS, PPO_UPDATES = 5, 2
"""Passes over an episode: rollout, old, reference, reward, value; policy and value network are then updated
each epoch."""


def cache_bytes(billions: float) -> float:
    """Bytes of KV cache a token, from published Llama 3 shapes: 32 KiB at 1B, 128 KiB at 8B, 320 KiB at
    70B."""
    return 36e3 * billions**0.53


def sampling_seconds(
    completions: float, length: float, *, billions: float, gpus: int, batch: int, gpu: Gpu
) -> float:
    """Seconds to sample so many completions of `length` tokens: prefill is arithmetic, decoding reads weights
    and cache."""
    if not gpus:
        return completions * (PROMPT_TOKENS / 3 + length) * 2e9 * billions / CPU_FLOPS
    prefill = 2e9 * billions * PROMPT_TOKENS * completions / (gpus * gpu.flops)
    steps = math.ceil(completions / batch) * length
    context = PROMPT_TOKENS + length / 2
    moved = 2e9 * billions + min(batch, completions) * context * cache_bytes(billions)
    arithmetic = 2e9 * billions * min(batch, completions) / gpu.flops
    return (prefill + steps * max(arithmetic, moved / gpu.bandwidth) / gpus) / SAMPLING_EFFICIENCY


def training_seconds(
    tokens: float, steps: float, *, billions: float, gpus: int, gpu: Gpu, passes: float = 3
) -> float:
    """Seconds to train on so many tokens in so many steps; a pass is 2 FLOPs a parameter and token
    (forward 1, backward 2)."""
    work = 2e9 * billions * passes * tokens
    if not gpus:
        return work / CPU_FLOPS
    return work / (gpus * gpu.flops * TRAINING_EFFICIENCY) + steps * STEP_SECONDS * billions


def ppo_seconds(
    episodes: float,
    batch: int,
    epochs: int,
    max_tokens: int,
    *,
    billions: float,
    gpus: int,
    gpu: Gpu,
    critic: bool = True,
    adversarial: bool = False,
) -> float:
    """Seconds of PPO: decoding the rollouts, forward passes of all networks, and the updates. GRPO and RLOO
    have no `critic`, which saves a pass and an update; an `adversarial` reward model learns each response and
    an answer beside it once."""
    forwards, updates = PPO_FORWARDS - (not critic), PPO_UPDATES - (not critic)
    forwards += 6 * adversarial
    tokens = episodes * (PROMPT_TOKENS + TYPICAL_LENGTH * max_tokens)
    work = 2e9 * billions * tokens * (forwards + 3 * updates * epochs)
    if not gpus:
        return work / CPU_FLOPS
    decoding = episodes / batch * ROLLOUT_LENGTH * max_tokens * DECODE_SECONDS * billions
    return decoding + work / (gpus * gpu.flops * PPO_EFFICIENCY)
