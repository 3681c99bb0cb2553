"""What needs a GPU, by one command and without a network: `make bench-gpu`, or, where time is short,
`.venv-gpu/bin/python -m tests.bench.gpu sampling ppo`. Random weights of Llama-3.2-1B's shape.

Each part prints its rows when it ends and adds them to `bench-gpu.json`, so that what a time limit cuts off
loses no more than itself. `--size tiny` tries the command itself where there is no GPU.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from scripts.lib.data import tables
from scripts.lib.engines import vllm
from scripts.lib.workflow import memory
from tests.support.steps import until

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    "1b": {
        "shape": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16}
        | {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128_256},
        **{"queries": 512, "n": 8, "max_tokens": 256, "batch": 40, "iterations": 12, "rows": 20},
    },
    "tiny": {
        "shape": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        | {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 512},
        **{"queries": 16, "n": 2, "max_tokens": 12, "batch": 8, "iterations": 3, "rows": 4},
    },
}
"""A model's shape; queries, completions of each, tokens of each, episodes and iterations of PPO, rows of a
training step."""
PEAK, BANDWIDTH = 989e12, 4.8e12
"""Of an H200: dense bfloat16 operations and bytes each second."""
WORDS = "Ana has pens and buys more of them in the shop on the way home so that she can give some to Bo"


class Bench:
    """A folder with a random model and tables for it, and the rows that were measured."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder, self.size, self.rows = folder, SIZES[size], {}
        self.device = "cuda" if _gpus() else "cpu"
        self.dtype = "bfloat16" if self.device == "cuda" else "float32"
        self.model = folder / "model"

    def tell(self, **measured: float | str) -> None:
        """Print rows and keep them."""
        self.rows |= measured
        for name, value in measured.items():
            print(f"  {name:44}{value if isinstance(value, str) else format(value, ',.4g')}", flush=True)
        Path("bench-gpu.json").write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")

    def step(self, name: str, flags: dict[str, object], **environment: str) -> tuple[float, int, str]:
        """Run a step: its seconds, the peak MiB of the GPU while it ran, and what it said. Raises SystemExit
        where it fails."""
        words = [sys.executable, "-m", f"scripts.{name}", "--no-chat"]
        for flag, value in flags.items():
            word = "--" + flag.replace("_", "-")
            several = value if isinstance(value, list) else [value]
            words += [word] if value is True else [word, *map(str, several)]
        with watched() as peak:
            begun = time.monotonic()
            done = subprocess.run(
                words, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
            )
            seconds = time.monotonic() - begun
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{(done.stdout + done.stderr)[-4000:]}")
        return seconds, max(peak), done.stdout + done.stderr

    def made(self, name: str) -> dict[str, object]:
        """The flags that name a training's outputs."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return {
            "model": self.model,
            "queries": self.folder / "queries.parquet",
            "prompt": self.folder / "prompt.jinja",
            "output": place / "model",
            "metrics": place / "metrics.jsonl",
            "identity": place / "identity.json",
            "state": place / "state",
        }


def _gpus() -> bool:
    import torch

    return torch.cuda.is_available()


@contextlib.contextmanager
def watched() -> Iterator[list[int]]:
    """MiB of the first GPU in use, looked at twice a second; zeros where there is none."""
    seen, over = [0], threading.Event()
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]

    def look() -> None:
        while not over.wait(0.5):
            with contextlib.suppress(OSError, ValueError):
                said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
                seen.append(int(said.split()[0]) if said.split() else 0)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def prepare(bench: Bench) -> None:
    """Random weights, a tokenizer of bytes that knows as many words as the model, questions and answers."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    shape = bench.size["shape"]
    special = ["<pad>", "<bos>", "<eos>"]
    known = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    known += [f"word{number}" for number in range(shape["vocab_size"] - len(known))]
    backend = Tokenizer(models.BPE({word: at for at, word in enumerate(known)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(bench.model)
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(**shape, **ids, tie_word_embeddings=True, max_position_embeddings=4096)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(bench.model)
    write_tables(bench)


def write_tables(bench: Bench) -> None:
    """Queries, golds, labels, samples of a teacher and a student, grades and pairs: of each query a right and
    a wrong answer of both, of some 180 tokens."""
    folder, count = bench.folder, bench.size["queries"]
    ids = [f"q{number:04}" for number in range(count)]
    queries = pl.DataFrame({"query_id": ids, "question": [f"{WORDS} {at}: how many?" for at in range(count)]})
    queries = queries.with_columns(
        options=pl.lit([], dtype=pl.List(pl.String)), group=pl.lit(""), shots=pl.lit(None)
    )
    tables.write(queries, folder / "queries.parquet", tables.QUERIES)
    tables.write(queries.head(32), folder / "validation.parquet", tables.QUERIES)
    golds = pl.DataFrame({"query_id": ids, "answer": [str(number) for number in range(count)]})
    tables.write(golds.head(32), folder / "golds.parquet", tables.GOLDS)
    labels = golds.rename({"answer": "label"})
    tables.write(_filled(labels, tables.LABELS), folder / "labels.parquet", tables.LABELS)
    (folder / "prompt.jinja").write_text("{{ question }}\n", encoding="utf-8")
    for name in ("teacher", "student"):
        text = [
            f"{WORDS} {name} {WORDS[:60]}. The answer is {at + wrong}."
            for at in range(count)
            for wrong in (0, 1)
        ]
        samples = pl.DataFrame({"query_id": [each for each in ids for _ in range(2)], "completion": text})
        samples = samples.with_columns(
            sample_id=pl.int_range(pl.len()) % 2, finish_reason=pl.lit("stop"), num_tokens=pl.lit(180)
        )
        tables.write(_filled(samples, tables.SAMPLES), folder / f"{name}.parquet", tables.SAMPLES)
        grades = samples.with_columns(status=pl.lit("ok"), score=1.0 - pl.col("sample_id"))
        tables.write(_filled(grades, tables.GRADES), folder / f"{name}_grades.parquet", tables.GRADES)
    pairs = pl.DataFrame({"query_id": ids}).with_columns(
        kind=pl.lit("teacher_student"),
        chosen_source=pl.lit("teacher"),
        chosen_sample_id=pl.lit(0),
        chosen_score=pl.lit(1.0),
        rejected_source=pl.lit("student"),
        rejected_sample_id=pl.lit(1),
        rejected_score=pl.lit(0.0),
        split=pl.when(pl.int_range(pl.len()) < 8).then(pl.lit("validation")).otherwise(pl.lit("train")),
    )
    tables.write(_filled(pairs, tables.PAIRS), folder / "pairs.parquet", tables.PAIRS)


def _filled(table: pl.DataFrame, schema: dict) -> pl.DataFrame:
    """The table with the columns that it lacks, null."""
    lacking = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in table.columns
    ]
    return table.with_columns(lacking).select(pl.col(name).cast(kind) for name, kind in schema.items())


def sampling(bench: Bench) -> None:
    """vLLM through the step, beside `LLM.generate` alone: whole processes, the engine's start in both."""
    size, folder = bench.size, bench.folder
    length = {"n": size["n"], "max_tokens": size["max_tokens"]}
    flags = {"queries": folder / "queries.parquet", "prompt": folder / "prompt.jinja", "model": bench.model}
    flags |= {"engine": "vllm", "temperatures": 1.0, "dtype": bench.dtype, "batch_size": 4096, **length}
    flags |= {
        "store": folder / "store",
        "output": folder / "samples.parquet",
        "ledger": folder / "ledger.json",
    }
    seconds, peak, _ = bench.step("sample.sample", flags)
    tokens = pl.read_parquet(folder / "samples.parquet")["num_tokens"].sum()
    again, _, _ = bench.step("sample.sample", flags)
    given = {"model": str(bench.model), "dtype": bench.dtype, **length}
    given["more"] = {} if bench.device == "cuda" else ON_A_CPU
    bare = subprocess.run(
        [sys.executable, "-c", BARE, str(flags["queries"]), json.dumps(given)],
        env=os.environ | ({} if bench.device == "cuda" else vllm._ON_CPU),
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": False},
    )
    if bare.returncode:
        raise SystemExit(f"bare vLLM failed:\n{bare.stderr[-4000:]}")
    alone = json.loads(bare.stdout.splitlines()[-1])
    bench.tell(
        **{
            "sampling: tokens/s, process": tokens / seconds,
            "sampling: bare LLM.generate, process": alone["tokens"] / alone["seconds"],
            "sampling: share of bare": tokens / seconds / (alone["tokens"] / alone["seconds"]),
            "sampling: bare, engine running, tokens/s": alone["tokens"] / alone["generating"],
            "sampling: peak MiB": peak,
            "sampling: finished step again, s": again,
        }
    )


ON_A_CPU = {"enforce_eager": True, "block_size": 32, "kv_cache_memory_bytes": 2**28, "max_model_len": 1024}
"""What vLLM's CPU build needs beside its defaults."""
BARE = """
import json, sys, time
begun = time.monotonic()
import polars as pl
from vllm import LLM, SamplingParams
given = json.loads(sys.argv[2])
engine = LLM(given["model"], dtype=given["dtype"], seed=0, **given["more"])
prompts = [question + "\\n" for question in pl.read_parquet(sys.argv[1])["question"]]
ready = time.monotonic()
wanted = SamplingParams(n=given["n"], temperature=1.0, max_tokens=given["max_tokens"])
found = engine.generate(prompts, wanted, use_tqdm=False)
tokens = sum(len(output.token_ids) for request in found for output in request.outputs)
now = time.monotonic()
print(json.dumps({"tokens": tokens, "seconds": now - begun, "generating": now - ready}))
"""


def supervised(bench: Bench) -> None:
    """SFT and the reward model, some updates each: rows a second of whole processes, peak memory."""
    folder, rows = bench.folder, bench.size["rows"]
    updates = {"max_steps": 30, "eval_steps": 30, "patience": 0, "per_device_train_batch_size": rows}
    updates |= {"gradient_accumulation_steps": 1}
    checked = {"validation": folder / "validation.parquet", "validation_golds": folder / "golds.parquet"}
    teacher = folder / "teacher.parquet"
    sft = checked | {"samples": teacher, "answers": "all", "task": "numeric", "max_tokens": 16}
    pairs = {"teacher_samples": teacher, "student_samples": folder / "student.parquet"}
    pairs |= {"pairs": folder / "pairs.parquet"}
    for name, flags in (("sft", sft), ("reward", pairs | {"best_score": 1})):
        seconds, peak, _ = bench.step(f"train.train_{name}", bench.made(name) | flags | updates)
        bench.tell(**{f"{name}: rows/s, process": 30 * rows / seconds, f"{name}: peak MiB": peak})


def lines_of(file: Path) -> list[dict]:
    """The rows of a training's log."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def ppo(bench: Bench) -> None:
    """PPO with vLLM's rollouts and weights synchronised every iteration: episodes a second, the share of what
    the GPU could do, phases, peak memory against the plan's estimate, and what must hold at the first one."""
    size, reward = bench.size, bench.folder / "reward/model"
    if not reward.exists():
        supervised(bench)
    _, peak, _ = bench.step("train.train_ppo", policy_flags(bench, "ppo"))
    lines = [line for line in lines_of(bench.folder / "ppo/metrics.jsonl") if line.get("iteration")]
    first, steady = lines[0], lines[len(lines) // 3 :]
    seconds = sum(sum(line["seconds"].values()) for line in steady) / len(steady)
    length = sum(line["response_length"] for line in steady) / len(steady)
    estimate = _estimate()
    bench.tell(
        **{
            "ppo: episodes/s": size["batch"] / seconds,
            "ppo: share of the limit": floor(size["batch"], length) / seconds,
            "ppo: mean response, tokens": length,
            "ppo: KL at iteration 1 (must be ~0)": abs(first["kl"]),
            "ppo: ratio at iteration 1 (must be ~1)": first["ratio"],
            "ppo: peak MiB": peak,
            "ppo: the plan's estimate, MiB": estimate / 2**20,
        }
    )
    for phase in steady[0]["seconds"]:
        spent = sum(line["seconds"].get(phase, 0) for line in steady) / len(steady)
        bench.tell(**{f"ppo: {phase}, s an iteration": spent})


def policy_flags(bench: Bench, name: str) -> dict[str, object]:
    """The flags of a PPO training under the reward model in the bench's folder."""
    size, folder = bench.size, bench.folder
    flags = {"validation": folder / "validation.parquet", "validation_golds": folder / "golds.parquet"}
    flags |= {"labels": folder / "labels.parquet", "pairs": folder / "pairs.parquet", "task": "numeric"}
    flags |= {"reward_model": folder / "reward/model", "max_tokens": size["max_tokens"], "temperature": 1.0}
    flags |= {"batch_size": size["batch"], "total_episodes": size["batch"] * size["iterations"]}
    flags |= {
        "eval_every": size["iterations"],
        "patience": 0,
        "rollout": "vllm" if bench.device == "cuda" else "auto",
    }
    return bench.made(name) | flags


def floor(batch: int, length: float, epochs: int = 4, prompt: int = 150) -> float:
    """Seconds that an iteration of a 1B student takes at full speed: decoding by bandwidth; scoring by four
    networks and the update of two by operations (Llama-3.2-1B: 1.95 GFLOP a token, 0.53 where words are
    predicted)."""
    body, words, weights = 1.95e9, 0.53e9, 2.47e9
    decode = length * (weights + batch * (prompt + length / 2) * 32 * 1024) / BANDWIDTH
    policy = batch * (body * (prompt + length) + words * length)
    scored = 2 * policy + 2 * batch * body * (prompt + length)
    update = 3 * epochs * (policy + batch * body * (prompt + length))
    return decode + (scored + update) / PEAK + epochs * 277e9 / 4 / BANDWIDTH


def _estimate() -> float:
    """Bytes that the plan expects of a PPO training of this shape on this GPU, without its activations."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    whole = torch.cuda.get_device_properties(0).total_memory
    shape = memory.shape_of(1.24)
    held = memory.training(
        shape,
        whole,
        **{"networks": 2, "frozen": 4 * shape.parameters, "half": True, "checkpointing": False},
        **{"wanted": 8192, "least": 512, "head": memory.LOGITS * memory.PPO_LOGIT, "engine": 0.15 * whole},
    )
    return held.total


def scarce(bench: Bench) -> None:
    """A real out of memory: another process takes all but what the networks hold, PPO makes smaller
    passes and ends."""
    if bench.device == "cpu":
        bench.tell(**{"out of memory": "no GPU"})
        return
    if not (bench.folder / "reward/model").exists():
        supervised(bench)
    import torch

    free = torch.cuda.mem_get_info()[0]
    left = _estimate() + 2e9
    hog = subprocess.Popen(
        [sys.executable, "-c", HOG, str(int(free - left))], stdout=subprocess.PIPE, text=True
    )
    try:
        until(lambda: hog.stdout is not None and hog.stdout.readline(), 120)
        flags = policy_flags(bench, "scarce") | {"max_tokens_per_micro_batch": 65_536}
        flags["total_episodes"] = 2 * bench.size["batch"]
        seconds, peak, said = bench.step("train.train_ppo", flags)
    finally:
        hog.kill()
    smaller = [line for line in said.splitlines() if "memory" in line]
    bench.tell(
        **{
            "out of memory: said": smaller[-1][:200] if smaller else "nothing: there was room",
            "out of memory: s to the end": seconds,
            "out of memory: peak MiB": peak,
        }
    )


HOG = """
import sys, time, torch
kept = torch.empty(int(sys.argv[1]), dtype=torch.uint8, device="cuda")
print("held", flush=True)
time.sleep(3600)
"""

PARTS: dict[str, Callable[[Bench], None]] = {
    "sampling": sampling,
    "supervised": supervised,
    "ppo": ppo,
    "scarce": scarce,
}


def main() -> None:
    """Measure what is named, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="some parts; all without")
    parser.add_argument("--size", choices=SIZES, default="1b")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_gpu_") as folder:
        bench = Bench(Path(folder), given.size)
        if bench.device == "cpu" and given.size != "tiny":
            raise SystemExit("no GPU is found by PyTorch; `--size tiny` tries the command without one")
        prepare(bench)
        for name in given.parts or PARTS:
            print(name, flush=True)
            PARTS[name](bench)


if __name__ == "__main__":
    main()
