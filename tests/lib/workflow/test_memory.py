"""The model of memory: its parts by hand, what a training is cut to, and peaks of small trainings here."""

import functools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import read
from scripts.lib.workflow.costs import Costs
from scripts.lib.workflow.memory import Memory, Shape, sampling, shape_of, training
from scripts.lib.workflow.sizes import sized

ROOT = Path(__file__).parents[3]
ONE = Shape(layers=2, width=8, queries=8, keys=4, inner=32, vocabulary=100, parameters=1000)
PLAIN = {"networks": 1, "frozen": 0, "half": True, "checkpointing": False, "wanted": 50, "least": 10}
ROW = {"dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "variant": "ours", "seed": "0"}


def costs(**settings) -> Costs:
    raw = read(Path("config/paper.yaml"))
    raw["variants"]["ours"]["training"] = settings
    return Costs(sized(parse(raw)))


def test_what_a_layer_keeps_for_a_token() -> None:
    assert ONE.layer(half=True) == 26 * 8 + 4 * 12 + 8 * 32
    assert ONE.layer(half=False) == 24 * 8 + 8 * 12 + 16 * 32
    assert ONE.activations(half=True, checkpointing=False) == 3 * 512 + 128
    assert ONE.activations(half=True, checkpointing=True) == 2 * 32 + 512 + 128


def test_what_a_training_holds() -> None:
    memory = training(ONE, 1e6, **PLAIN | {"networks": 2, "frozen": 7000}, head=5, engine=30, context=9)
    assert memory.held == {
        "weights, gradients and Adam": 32_000, "weights for a pass": 2000, "frozen networks": 7000,
        "vLLM": 30, "logits": 5, "CUDA": 9,
    }  # fmt: skip
    assert memory.limit == 950_000 and memory.token == 1664
    assert memory.total == 41_044 + 50 * 1664


def test_shards_hold_a_part_and_gather_two_layers_with_the_embedding() -> None:
    held = training(ONE, 1e6, **PLAIN, shards=4).held
    assert held["weights, gradients and Adam"] == 4000
    assert held["weights for a pass"] == 6 * (200 + 800)


def test_a_pass_is_cut_to_its_room_and_no_further_than_one_example() -> None:
    memory = Memory(limit=100, held={"weights": 40}, token=2, wanted=50, least=10)
    assert (memory.affords, memory.fits, memory.total) == (30, True, 100)
    assert replace(memory, wanted=20).total == 80
    short = replace(memory, least=31)
    assert not short.fits and short.total == 102
    assert replace(memory, limit=10).affords == 0
    assert short.said() == "" and replace(memory, held={"a": 4e9, "b": 9e9}).said() == "b 9, a 4"


def test_a_sampler_holds_its_share_of_weights_and_cache() -> None:
    memory = sampling(8e9, 100, 10e9, ranks=2, completions=5, longest=1000)
    assert (memory.held["weights"], memory.token, memory.wanted, memory.least) == (4e9, 50, 5000, 1000)


def test_a_size_has_the_shape_of_the_next_published_one() -> None:
    assert [shape_of(size).layers for size in (0.5, 1.3, 2, 3.3, 8, 9, 100)] == [16, 16, 28, 28, 32, 80, 80]
    assert shape_of(2).parameters == 2e9


def test_ppo_of_one_billion_fits_eighty_gigabytes_with_whole_passes() -> None:
    """Table 8's 1B student on its two GPUs: 8,192 tokens a pass, without checkpointing."""
    fitted = costs().fitted(ROW)
    assert (fitted.max_tokens_per_micro_batch, fitted.gpus, fitted.batch_size) == (8192, 2, 40)
    assert costs(vllm_gpu_memory_utilization=0.2).fitted(ROW).max_tokens_per_micro_batch < 7000
    assert not costs(vllm_gpu_memory_utilization=0.35).of("train_ppo", ROW).memory.fits


def of(student: str = "llama3-1b", **names: str) -> Memory:
    row = {key: ROW[key] for key in ("dataset", "teacher")} | {"student": student} | names
    rule = "train_reward" if "reward" in names else f"train_{METHODS[names['variant']]}"
    found = costs().of(rule, row).memory
    assert found is not None
    return found


METHODS = {"ours": "ppo", "rlvr": "ppo", "dpo": "dpo", "wo_r": "sft"}


@pytest.mark.parametrize(
    ("names", "trained", "frozen", "engine"),
    [
        ({"variant": "ours"}, 2 * 16 * 1.24e9, 2 * 2 * 1.24e9, 0.15 * 85e9),
        ({"variant": "rlvr"}, 2 * 16 * 1.24e9, 2 * 1.24e9, 0.15 * 85e9),
        ({"variant": "ours", "student": "llama3-3b"}, 2 * 16 * 3.21e9 / 4, 2 * 2 * 3.21e9, 0.15 * 85e9),
        ({"variant": "dpo"}, 16 * 1.24e9, 4 * 1.24e9, 0),
        ({"variant": "wo_r"}, 16 * 1.24e9, 0, 0),
        ({"reward": "ours"}, 16 * 1.24e9, 0, 0),
    ],
)
def test_what_each_training_of_the_paper_holds(names: dict, trained: float, frozen: float, engine) -> None:
    held = of(**names).held
    assert held["weights, gradients and Adam"] == pytest.approx(trained)
    assert held["frozen networks"] == pytest.approx(frozen) and held["vLLM"] == pytest.approx(engine)
    assert held["CUDA"] == 1.5e9


def test_passes_of_each_training_of_the_paper() -> None:
    """GSM8K: prompts of 335 tokens of template and up to 300 of question; completions of 512 at most."""
    longest, padded = of(variant="ours").least, 2 * 150 + 1006 / 3 - 150 + 0.6 * 512
    assert longest == pytest.approx(2 * 150 + 1006 / 3 + 512)
    assert of(variant="ours").wanted == 8192
    assert of(variant="wo_r").wanted == pytest.approx(21 * padded)
    assert of(reward="ours").wanted == pytest.approx(48 * 2 * padded)
    assert of(reward="ours").least == pytest.approx(2 * longest)
    plain, again = of(variant="ours").token, of(variant="ours", student="llama3-3b").token
    assert plain == pytest.approx(17 * (26 * 2048 + 4 * 2560 + 8 * 8192) + 16 * 2048)
    assert again == pytest.approx(28 * 4 * 3072 + 26 * 3072 + 4 * 4096 + 8 * 8192 + 16 * 3072)


def test_a_sampler_beside_ppo_or_float32_is_counted() -> None:
    apart = costs(rollout="transformers").of("train_ppo", ROW).memory.held
    assert (apart["vLLM"], apart["frozen networks"]) == (0, pytest.approx(3 * 2 * 1.24e9))
    whole = costs(bf16=False).of("train_ppo", ROW).memory.held
    assert (whole["weights for a pass"], whole["frozen networks"]) == (0, pytest.approx(2 * 4 * 1.24e9))


def test_without_a_critic_one_network_is_trained() -> None:
    parts = ("weights, gradients and Adam", "frozen networks")
    ppo, grpo = (
        costs(**changes).of("train_ppo", ROW).memory.held
        for changes in ({}, {"advantage_estimator": "grpo", "num_generations": 8})
    )
    assert [ppo[part] - grpo[part] for part in parts] == pytest.approx([16 * 1.24e9, 0])
    three = costs(reward_learning_rate=1e-6).of("train_ppo", ROW).memory.held
    assert [three[part] - ppo[part] for part in parts] == pytest.approx([16 * 1.24e9, -2 * 1.24e9])


def test_an_update_is_cut_into_steps_that_fit_and_stays_what_it_is() -> None:
    raw = read(Path("config/paper.yaml"))
    raw["rewards"]["ours"]["training"] = {"gradient_checkpointing": False}
    cut = Costs(sized(parse(raw)))
    names = {key: ROW[key] for key in ("dataset", "teacher", "student")} | {"reward": "ours"}
    fitted = cut.fitted(names)
    assert (fitted.per_device_train_batch_size, fitted.gradient_accumulation_steps) == (16, 3)
    assert fitted.shape(1) == cut.training(names).shape(1)
    assert costs().fitted(names) == costs().training(names)


def test_without_a_gpu_nothing_is_cut() -> None:
    world = Costs(sized(parse(read(Path("config/world.yaml")))))
    row = {"dataset": "world", "teacher": "tiny", "student": "tiny", "variant": "ours", "seed": "0"}
    assert world.fitted(row) == world.training(row)
    assert world.of("train_ppo", row).request(24)["gpu_memory"] == 0


def test_the_job_asks_with_its_gigabytes() -> None:
    asked = costs().of("train_ppo", ROW).request(24)["gpu_memory"]
    assert 75_000 < asked < 81_000


def llama(width: int, layers: int, vocabulary: int) -> dict:
    """A small model's config; heads are 64 wide, four share their keys."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": width // 256,
        "vocab_size": vocabulary,
    }


SIZES = {"8M": (llama(256, 6, 8192), 8), "27M": (llama(512, 6, 8192), 4)}
"""Models, and the rows of a pass."""
NONE = llama(256, 1, 64) | {"hidden_size": 16, "intermediate_size": 32}
CPU_LOGIT = 30
"""Bytes of a logit of TRL's head where there is no Triton."""


def peak(method: str, folder: Path, model: dict, rows: int, *, checkpointing: bool) -> dict:
    """Bytes that a training of a random model holds at its peak, and the shape of its passes."""
    command = [sys.executable, "-m", "tests.support.peak", method, folder, json.dumps(model)]
    command += [str(rows), str(int(checkpointing))]
    given = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """Bytes that a training of a model of nothing holds at its peak: Python, PyTorch, the data."""

    @functools.cache
    def held(method: str, checkpointing: bool) -> int:
        return peak(method, tmp_path_factory.mktemp("none"), NONE, 4, checkpointing=checkpointing)["peak"]

    return held


@pytest.mark.campaign
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("method", ["sft", "reward", "dpo", "ppo"])
def test_the_estimate_is_what_a_training_here_holds(tmp_path, nothing, method, checkpointing, size) -> None:
    """Resident size at the peak, less that of the same training of a model of nothing."""
    pytest.importorskip("trl")
    model, rows = SIZES[size]
    found = peak(method, tmp_path / size, model, rows, checkpointing=checkpointing)
    heads = model["num_attention_heads"]
    shape = Shape(
        model["num_hidden_layers"], model["hidden_size"], model["hidden_size"],
        model["hidden_size"] // heads * model["num_key_value_heads"], model["intermediate_size"],
        model["vocab_size"], found["parameters"],
    )  # fmt: skip
    logits = found["tokens"] * model["vocab_size"]
    memory = training(
        shape, 1e12, networks=2 if method == "ppo" else 1, half=False, checkpointing=checkpointing,
        frozen=4 * shape.parameters * {"ppo": 3, "dpo": 1}.get(method, 0),
        wanted=found["tokens"], least=1, context=0,
        head=logits * {"sft": CPU_LOGIT, "dpo": CPU_LOGIT, "ppo": 14, "reward": 0}[method],
    )  # fmt: skip
    held = found["peak"] - nothing(method, checkpointing)
    print(f"{method} {size}: {held / 1e6:.0f} MB held, {memory.total / 1e6:.0f} estimated")
    assert held == pytest.approx(memory.total, rel=0.25)
