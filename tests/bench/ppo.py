"""PPO's iterations on a model of SmolLM2-135M's shape, responses of 200 tokens, beside the last TRL that
has PPO: `make bench-ppo`. `--size tiny` tries it in a minute.

Random weights, which seldom end a response early. Each side has the machine to itself in turn, and the same
batch, epochs and precision: bfloat16 where the CPU multiplies it in tiles (ours keeps float32 weights to
learn with, TRL's are bfloat16 throughout, the faster of the two ways that it has).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.lib.data import tables
from tests.bench.gpu import ROOT, SIZES, Bench, lines_of, policy_flags, prepare
from tests.bench.rows import tell

SIZES["135m"] = {
    "shape": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
    | {"num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49_152},
    **{"queries": 64, "max_tokens": 200, "batch": 8, "iterations": 3},
}
EPOCHS, MINI_BATCHES = 2, 1
TRL = ROOT / ".venv-trl/bin/python"


def ours(bench: Bench, half: bool) -> dict[str, float]:
    """Seconds of an iteration by phase, without the first one."""
    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.reward import load_reward

    reward = bench.folder / "reward/model"
    if not reward.exists():
        load_reward(str(bench.model), None, 1).save_pretrained(reward)
        load_tokenizer(str(bench.model), None).save_pretrained(reward)
    folder = bench.folder
    # What validation costs is not asked here.
    for name, schema in (("validation", tables.QUERIES), ("golds", tables.GOLDS)):
        file = folder / f"{name}.parquet"
        tables.write(tables.read(file, schema).head(2), file, schema)
    flags = {"num_ppo_epochs": EPOCHS, "num_mini_batches": MINI_BATCHES, "bf16": str(half)}
    bench.step("train.train_ppo", policy_flags(bench, "ppo") | flags)
    lines = lines_of(folder / "ppo/metrics.jsonl")
    kept = [line["seconds"] for line in lines if line.get("iteration", 0) > 1]
    return {phase: sum(each[phase] for each in kept) / len(kept) for phase in kept[0] if phase != "evaluate"}


def theirs(folder: Path, size: dict, half: bool) -> list[float]:
    """Seconds of each iteration of TRL's trainer but the first; runs where TRL 1.12 is."""
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    class Clock(TrainerCallback):
        """When each iteration ended."""

        ends: list[float] = []

        def on_step_end(self, *_: object, **__: object) -> None:
            self.ends.append(time.perf_counter())

    dtype = torch.bfloat16 if half else torch.float32
    model = str(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    policy, reference = (AutoModelForCausalLM.from_pretrained(model, dtype=dtype) for _ in range(2))
    value, reward = (
        AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=dtype) for _ in range(2)
    )
    questions = (folder / "questions.txt").read_text(encoding="utf-8").splitlines()
    settings = PPOConfig(
        output_dir=str(folder / "trl"), use_cpu=True, bf16=False, report_to="none", save_strategy="no",
        per_device_train_batch_size=size["batch"], gradient_accumulation_steps=1, num_sample_generations=0,
        num_mini_batches=MINI_BATCHES, num_ppo_epochs=EPOCHS, response_length=size["max_tokens"],
        total_episodes=size["batch"] * size["iterations"], stop_token="eos", temperature=1.0,
        local_rollout_forward_batch_size=size["batch"], gradient_checkpointing=False,
    )  # fmt: skip
    data = Dataset.from_dict({"input_ids": [tokenizer(each + "\n")["input_ids"] for each in questions]})
    clock = Clock()
    PPOTrainer(
        args=settings, processing_class=tokenizer, model=policy, ref_model=reference, reward_model=reward,
        value_model=value, train_dataset=data, eval_dataset=data.select(range(8)), callbacks=[clock],
    ).train()  # fmt: skip
    return [after - before for before, after in zip(clock.ends, clock.ends[1:], strict=False)]


def trl(bench: Bench, half: bool) -> float:
    """Seconds of an iteration of TRL's, in a process of its own environment."""
    import polars as pl

    questions = pl.read_parquet(bench.folder / "queries.parquet")["question"]
    (bench.folder / "questions.txt").write_text("\n".join(questions) + "\n", encoding="utf-8")
    given = json.dumps([str(bench.folder), bench.size, half])
    run = subprocess.run(
        [TRL, "-m", "tests.bench.ppo", "--theirs", given],
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": False},
    )
    if run.returncode:
        raise SystemExit(f"TRL failed:\n{run.stderr[-4000:]}")
    seconds = json.loads(run.stdout.splitlines()[-1])
    return sum(seconds) / len(seconds)


def operations(size: dict, prompt: float) -> float:
    """Matrix operations of an iteration, both sides' alike: decoding, four networks that score, two that
    learn."""
    shape, length = size["shape"], size["max_tokens"]
    wide, deep = shape["hidden_size"], shape["intermediate_size"]
    key = 2 * wide * shape["num_key_value_heads"] // shape["num_attention_heads"]
    body = 2.0 * shape["num_hidden_layers"] * wide * (2 * wide + key + 3 * deep)
    words = 2.0 * wide * shape["vocab_size"]
    policy, other = body * (prompt + length) + words * length, body * (prompt + length)
    return size["batch"] * (policy + 2 * policy + 2 * other + 3 * EPOCHS * (policy + other))


def multiplied(shape: dict, half: bool) -> float:
    """Operations a second of a bare product of a layer's shape, on all cores: the limit."""
    import torch

    dtype = torch.bfloat16 if half else torch.float32
    a, b = (
        torch.ones(2048, shape["hidden_size"], dtype=dtype),
        torch.ones(shape["hidden_size"], shape["intermediate_size"], dtype=dtype),
    )
    for _ in range(5):
        a @ b
    begun, turns = time.perf_counter(), 50
    for _ in range(turns):
        a @ b
    return turns * 2.0 * a.shape[0] * a.shape[1] * b.shape[1] / (time.perf_counter() - begun)


def main() -> None:
    """Both sides, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="135m")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.theirs:
        folder, size, half = json.loads(given.theirs)
        print(json.dumps(theirs(Path(folder), size, half)))
        return
    from scripts.lib.training.setup import quiet

    quiet()
    half = "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="bench_ppo_") as name:
        bench = Bench(Path(name), given.size)
        prepare(bench)
        for _ in range(given.rounds):
            phases = ours(bench, half)
            own, other = sum(phases.values()), trl(bench, half)
            limit = operations(bench.size, 40) / multiplied(bench.size["shape"], half)
            part = f"PPO on SmolLM2-135M's shape, {os.cpu_count()} CPUs, {'bfloat16' if half else 'float32'}"
            for phase, seconds in phases.items():
                tell(part, f"{phase}, of an iteration", seconds, "s")
            share = f"{limit / own:.0%} of the speed of bare matrix products"
            tell(part, "an iteration", own, "s", "TRL 1.12", other, more=share, bar="a third of TRL's")


if __name__ == "__main__":
    sys.exit(main())
