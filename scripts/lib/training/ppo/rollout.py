"""Where responses come from: one interface, a transformers generator (CPU, tests) and vLLM in this process
(CUDA).

Both work on a copy of the policy that `sync` refreshes, so that the trained network may be wrapped, sharded
or in another precision. A response depends on its prompt, its seed and the weights, not on its neighbours or
its process.
"""

import os
import socket
from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from scripts.lib.errors import UserError
from scripts.lib.models.endings import Endings


class Rollout(Protocol):
    """A sampler with the policy's weights. All processes call it together, each with its own prompts."""

    def sync(self, named: Iterable[tuple[str, Tensor]]) -> None:
        """Take the policy's weights: transformers' parameter names and whole tensors."""

    def __call__(
        self, prompts: Sequence[list[int]], seeds: Sequence[int], temperature: float, max_tokens: int
    ) -> list[list[int]]:
        """One response a prompt, as token ids, its end token included if it came; one that said a stop string
        may go on for some tokens. Temperature 0 is greedy."""


class TransformersRollout:
    """`scripts.lib.models.generation.generate` on a copy of the policy."""

    def __init__(self, model, endings: Endings):
        from scripts.lib.models.generation import Batch

        self.model, self.endings, self.batch = model, endings, Batch()

    @torch.no_grad()
    def sync(self, named: Iterable[tuple[str, Tensor]]) -> None:
        own = dict(self.model.named_parameters())
        for name, tensor in named:
            own[name].copy_(tensor)

    def __call__(self, prompts, seeds, temperature, max_tokens) -> list[list[int]]:
        from scripts.lib.models.generation import generate

        return generate(
            self.model,
            prompts,
            seeds,
            temperature=temperature,
            max_tokens=max_tokens,
            eos_token_id=self.endings.end_token_ids,
            batch=self.batch,
            stop=self.endings.said if self.endings.stop else None,
        )


class VllmRollout:
    """vLLM inside the training process, after TRL's `VLLMGeneration` and with what that lacks:
    a seed for each request.

    `external_launcher` keeps the engine in this process and lets every process of a distributed job hold one.
    Build it before the trained networks: vLLM measures the free memory when it starts.
    """

    def __init__(
        self,
        path: str,
        endings: Endings,
        max_model_len: int,
        gpu_memory_utilization: float = 0.15,
        max_num_seqs: int = 256,
        dtype: str = "bfloat16",
        **options,
    ):
        try:
            from vllm import LLM, SamplingParams
        except ImportError as error:
            raise UserError(
                f"vLLM cannot be imported ({error}); install it or use --rollout transformers"
            ) from None
        for name, value in _single_process().items():
            os.environ.setdefault(name, value)
        self.endings, self._params = endings, SamplingParams
        try:
            self.llm = LLM(
                model=path,
                dtype=dtype,
                tensor_parallel_size=1,
                distributed_executor_backend="external_launcher",
                gpu_memory_utilization=gpu_memory_utilization,
                max_model_len=max_model_len,
                max_num_seqs=max_num_seqs,
                trust_remote_code=False,
                **options,
            )
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"vLLM cannot start in the training process: {error}; where it is memory, another "
                "vllm_gpu_memory_utilization or fewer max_tokens may help"
            ) from error

    def sync(self, named: Iterable[tuple[str, Tensor]]) -> None:
        """vLLM takes transformers' names, fuses q, k and v itself and casts while it copies."""
        self.llm.apply_model(lambda model: model.load_weights(named))
        self.llm.reset_prefix_cache()

    def __call__(self, prompts, seeds, temperature, max_tokens) -> list[list[int]]:
        if not prompts:
            return []
        params = [
            self._params(
                temperature=temperature,
                max_tokens=max_tokens,
                seed=seed,
                stop_token_ids=list(self.endings.end_token_ids),
                ignore_eos=True,
                stop=list(self.endings.stop) or None,
                detokenize=bool(self.endings.stop),
            )
            for seed in seeds
        ]
        outputs = self.llm.generate(
            [{"prompt_token_ids": prompt} for prompt in prompts], params, use_tqdm=False
        )
        return [list(output.outputs[0].token_ids) for output in outputs]


def _single_process() -> dict[str, str]:
    """What `external_launcher` reads from the environment, for a job that no launcher started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
