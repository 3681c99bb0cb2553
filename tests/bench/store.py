"""The sample store beside one file of the same rows: `python -m tests.bench.store`, sizes by --completions.

A store is filled as a run fills it, flush after flush; then a finished step is asked again: what is missing,
and its samples. The floor reads the keys out of one sorted file, or writes the samples once. Each part runs
in a process of its own, without its start-up. Ratios are of processor seconds.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import tyro

from scripts.lib.data.tables import SAMPLES, write_sorted
from scripts.lib.engines.base import Prompt
from scripts.lib.samples.assemble import assemble
from scripts.lib.samples.draws import draws
from scripts.lib.samples.requests import Requests, lacking
from scripts.lib.samples.store import KEY, ROWS, Partition, Store, prompt_key
from tests.bench.data import WORDS
from tests.bench.rows import tell

TEMPERATURES, N = [0.1, 0.2, 0.3, 0.4, 0.7], 10
FLUSHES = 500
"""Parts that a run writes before it merges them."""


def partition(folder: Path) -> Partition:
    """The store's folder in that of a measurement."""
    return Store(folder / "store").partition("sha256:bench", {"seed": 0})


def fill(folder: Path, completions: int) -> None:
    """Store the completions (240 characters, to prompts of 150) in flushes, and merge."""
    random, drawn = np.random.default_rng(0), draws(TEMPERATURES, N, 1, 0)
    sentences = [" ".join(random.choice(WORDS, 14)) for _ in range(5000)]
    texts = [
        f"{sentences[i % 5000]} {i} {sentences[i * 7 % 5000]} ?" for i in range(completions // drawn.height)
    ]
    prompts = pl.DataFrame({"prompt_key": [prompt_key("text", text) for text in texts], "prompt": texts})
    ids = [f"{i * 2654435761 % 2**32:016x}" for i in range(len(texts))]
    prompts.with_columns(query_id=pl.Series(ids)).drop("prompt").write_parquet(folder / "keyed.parquet")
    place, size = partition(folder), max(1, prompts.height // FLUSHES)
    for start in range(0, prompts.height, size):
        rows = prompts[start : start + size].join(drawn, how="cross")
        lines = random.integers(0, 5000, (rows.height, 3))
        numbers = random.integers(20, 200, rows.height)
        place.add(
            rows.with_columns(
                pl.Series("completion", ["\n".join(sentences[i] for i in row) for row in lines]),
                pl.lit("stop").alias("finish_reason"),
                pl.Series("num_tokens", numbers),
                pl.lit(40).alias("prompt_tokens"),
                pl.lit("bench 1").alias("engine"),
                pl.lit(None).alias("reasoning"),
                pl.lit(None).alias("reasoning_tokens"),
            ).select(list(ROWS))
        )
    place.compact()


def as_one(folder: Path) -> None:
    """Write the store's rows to one sorted file."""
    parts = sorted(partition(folder).folder.glob("part-*.parquet"))
    rows = pl.concat(pl.scan_parquet(part) for part in parts).sort(list(KEY))
    rows.sink_parquet(folder / "one.parquet", compression_level=3, row_group_size=20_000)


def keyed(folder: Path) -> pl.DataFrame:
    """query_id, prompt_key."""
    return pl.read_parquet(folder / "keyed.parquet")


def ask(folder: Path) -> None:
    """Find that nothing is missing."""
    prompts = {key: Prompt("text", key) for key in keyed(folder)["prompt_key"]}
    assert not lacking(partition(folder), Requests(prompts, draws(TEMPERATURES, N, 1, 0), 0)).any()


def output(folder: Path) -> None:
    """Put the samples together."""
    parts = assemble(partition(folder), keyed(folder), draws(TEMPERATURES, N, 1, 0), 1, folder)
    columns = list(SAMPLES)
    write_sorted((part.select(columns) for part in parts), folder / "samples.parquet", SAMPLES)


def read_keys(folder: Path) -> None:
    """Read the keys out of one file, and no more."""
    pl.scan_parquet(folder / "one.parquet").select(list(KEY)).collect()


def write_once(folder: Path) -> None:
    """Read the samples, and write them."""
    table = pl.read_parquet(folder / "samples.parquet")
    table.write_parquet(folder / "again.parquet", compression_level=3, row_group_size=20_000)


def read_once(folder: Path) -> None:
    """Read the samples alone, to be taken off."""
    pl.read_parquet(folder / "samples.parquet")


BESIDE = {"ask": "reading the keys", "output": "writing them once"}
BARS = {"ask": "2.5 s at a million, 1 GB", "output": "1.5 times"}


def cost(name: str, folder: Path, *arguments: object) -> tuple[float, float]:
    """Processor seconds and peak MB of a function of this module, in a process of its own."""
    code = (
        "import resource, sys, time; from pathlib import Path; from tests.bench import store; "
        "before = time.process_time(); "
        f"store.{name}(Path(sys.argv[1]), *map(int, sys.argv[2:])); spent = time.process_time() - before; "
        "print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *map(str, arguments)],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def main(completions: tuple[int, ...] = (250_000, 1_000_000)) -> None:
    """Fill a store of each size, and measure."""
    for number in completions:
        with tempfile.TemporaryDirectory(prefix="bench_store_") as name:
            folder = Path(name)
            cost("fill", folder, number)
            cost("as_one", folder)  # not in this process: a child's peak memory starts from its parent's
            spent = {
                name: cost(name, folder) for name in ("ask", "output", "read_keys", "write_once", "read_once")
            }
            writing = spent["write_once"][0] - spent["read_once"][0]
            rows = [("what is missing", "ask", spent["read_keys"][0]), ("samples", "output", writing)]
            for part, step, floor in rows:
                seconds, peak = spent[step]
                beside = (BESIDE[step], floor)
                tell(
                    *("The sample store", f"{part}, of {number:,}", seconds, "CPU s"),
                    *beside,
                    **{"more": f"{peak:.0f} MB", "bar": BARS[step]},
                )


if __name__ == "__main__":
    tyro.cli(main)
