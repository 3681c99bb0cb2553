"""Samplers take weights and seeds; vLLM's against a fake engine, and once against the real one."""

import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from scripts.lib.errors import UserError  # noqa: E402
from scripts.lib.models.endings import Endings  # noqa: E402
from scripts.lib.models.loading import load_causal  # noqa: E402
from scripts.lib.training.ppo.rollout import TransformersRollout, VllmRollout  # noqa: E402

ENDS = Endings(None, [2])
PROMPTS, SEEDS = [[1, 5, 6], [1, 7, 8, 9], [1, 5, 6]], [11, 12, 13]


def test_transformers_rollout_answers_with_the_weights_it_was_given(tiny, tmp_path):
    from tests.support.tiny import tiny_model

    other = load_causal(tiny_model(tmp_path / "other", seed=1))
    rollout = TransformersRollout(load_causal(tiny), ENDS)
    before = rollout(PROMPTS, SEEDS, 1.0, 6)
    assert rollout(PROMPTS, SEEDS, 1.0, 6) == before
    assert rollout(PROMPTS[::-1], SEEDS[::-1], 1.0, 6) == before[::-1]
    rollout.sync(other.named_parameters())
    assert (
        rollout(PROMPTS, SEEDS, 1.0, 6) == TransformersRollout(other, ENDS)(PROMPTS, SEEDS, 1.0, 6) != before
    )
    assert rollout([], [], 1.0, 6) == []


class FakeLLM:
    """Answers with the seed and the temperature it was asked with; writes down what was done to it, in
    order."""

    def __init__(self, **options):
        self.options, self.calls = options, []

    def apply_model(self, function):
        self.calls.append("apply_model")
        return [
            function(SimpleNamespace(load_weights=lambda named: self.calls.append(("weights", dict(named)))))
        ]

    def reset_prefix_cache(self):
        self.calls.append("reset_prefix_cache")

    def generate(self, prompts, params, use_tqdm):
        self.calls.append("generate")
        assert not use_tqdm
        return [
            SimpleNamespace(outputs=[SimpleNamespace(token_ids=(*prompt["prompt_token_ids"], one.seed))])
            for prompt, one in zip(prompts, params, strict=True)
        ]


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=FakeLLM, SamplingParams=SimpleNamespace))
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    return VllmRollout("folder", Endings(None, [2, 3], ("Q:",)), 64, 0.2, dtype="float32")


def test_vllm_gets_weights_before_its_cache_is_reset_and_a_seed_for_each_request(fake):
    weights = {"model.norm.weight": torch.ones(2)}
    fake.sync(weights.items())
    assert fake(PROMPTS, SEEDS, 0.7, 8) == [
        [*prompt, seed] for prompt, seed in zip(PROMPTS, SEEDS, strict=True)
    ]
    assert fake.llm.calls == ["apply_model", ("weights", weights), "reset_prefix_cache", "generate"]
    assert fake([], [], 0.7, 8) == []


def test_vllm_is_in_this_process_and_stops_at_our_end_tokens_only(fake, monkeypatch):
    assert fake.llm.options["distributed_executor_backend"] == "external_launcher"
    assert fake.llm.options["dtype"] == "float32" and fake.llm.options["gpu_memory_utilization"] == 0.2
    asked = []
    monkeypatch.setattr(fake.llm, "generate", lambda prompts, params, use_tqdm: asked.extend(params) or [])
    fake(PROMPTS, SEEDS, 0.7, 8)
    assert [one.seed for one in asked] == SEEDS
    assert {
        (one.temperature, one.max_tokens, tuple(one.stop_token_ids), one.ignore_eos, *one.stop)
        for one in asked
    } == {(0.7, 8, (2, 3), True, "Q:")}


def test_vllm_missing_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match="--rollout transformers"):
        VllmRollout("folder", ENDS, 64)


REAL = """
import sys
import torch
from transformers import AutoModelForCausalLM
import vllm.model_executor.layers.utils as utils

# vLLM packs weights away on a CPU, which makes them unloadable: they are kept.
def plain(layer, remove_weight=True):
    layer.cpu_linear = torch.nn.functional.linear

utils.dispatch_cpu_unquantized_gemm = plain
import vllm.model_executor.layers.linear as linear
import vllm.model_executor.layers.vocab_parallel_embedding as embedding
for owner in (linear, embedding):
    if hasattr(owner, "dispatch_cpu_unquantized_gemm"):
        owner.dispatch_cpu_unquantized_gemm = plain

from scripts.lib.models.endings import Endings
from scripts.lib.training.ppo.rollout import TransformersRollout, VllmRollout

ends = Endings(None, [2])
first, second = sys.argv[1:]
prompts, seeds = [[1, 5, 6], [1, 7, 8, 9], [1, 12, 13, 5, 6, 7]], [11, 12, 13]
vllm = VllmRollout(
    first, ends, 64, max_num_seqs=8, dtype="float32", enforce_eager=True, block_size=32,
    kv_cache_memory_bytes=64 << 20, enable_chunked_prefill=False, max_num_batched_tokens=512,
)
for folder in (first, second):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    vllm.sync(model.named_parameters())
    greedy = TransformersRollout(model, ends)(prompts, seeds, 0.0, 12)
    assert vllm(prompts, seeds, 0.0, 12) == greedy, folder
    sampled = vllm(prompts, seeds, 1.0, 12)
    assert vllm(prompts[::-1], seeds[::-1], 1.0, 12) == sampled[::-1], folder
print("agreed")
"""


@pytest.mark.campaign
def test_real_vllm_greedy_equals_transformers_after_a_sync(tiny, tmp_path):
    pytest.importorskip("vllm")
    import os
    import subprocess
    from pathlib import Path

    from tests.support.tiny import tiny_model

    other = tiny_model(tmp_path / "other", seed=1)
    environment = os.environ | {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", REAL, str(tiny), str(other)],
        cwd=Path(__file__).parents[4],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "agreed" in done.stdout, done.stderr[-3000:]
