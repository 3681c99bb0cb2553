"""Samples -> answers -> labels -> grades -> pairs of a million completions against the floor, and of half a
million real ones: `python -m tests.bench.data`.

The floor reads every completion once and writes the same outputs; ratios are of processor seconds.
Each step runs in a process of its own, as in the workflow, and its start-up is taken off both sides.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import tyro

from scripts.lib.data.tables import SAMPLES, write
from tests.bench.rows import tell
from tests.lib.tasks.test_real import GSM8K, SHARED, lines

WORDS = [
    "she",
    "he",
    "then",
    "buys",
    "sells",
    "gives",
    "pens",
    "books",
    "dollars",
    "each",
    "of",
    "the",
    "to",
    "a",
    "is",
    "so",
    "that",
    "leaves",
    "left",
    "altogether",
    "times",
]


def make(
    path: Path, queries: int, n: int, right: float, characters: int, temperatures: list[float], seed: int
) -> None:
    """Write `queries` x `n` completions of GSM8K's kind, about `characters` long, that state the answer as
    GSM8K does; teacher and student are asked the same questions."""
    random = np.random.default_rng(seed)
    size = queries * n
    sentences = [
        " ".join(random.choice(WORDS, 14)) + f" {a} * {b} = <<{a}*{b}={a * b}>>{a * b} ."
        for a, b in random.integers(1, 99, (5000, 2))
    ]
    lines = max(1, characters // 95)
    drawn = random.integers(0, len(sentences), (size, lines))
    gold = np.repeat(np.random.default_rng(0).integers(1, 5000, queries), n)
    skill = np.repeat(random.beta(4 * right, 4 * (1 - right), queries), n)
    answer = np.where(random.random(size) < skill, gold, gold + random.integers(1, 4, size))
    texts = [
        "\n".join(sentences[i] for i in row) + f"\nThe answer is {value}."
        for row, value in zip(drawn, answer, strict=True)
    ]
    temperature = np.tile(np.repeat(temperatures, n // len(temperatures)), queries)
    _write(texts, [f"{i:016x}" for i in range(queries)], temperature, path)


def make_real(path: Path, names: tuple[str, ...], copies: int) -> None:
    """Write the responses of several models to GSM8K's test questions, each model's a sample, the questions
    again and again under other ids."""
    answered = zip(*(lines(f"outputs/gsm8k/{name}.jsonl.gz") for name in names), strict=True)
    texts = [row["responses"][0] for rows in answered for row in rows] * copies
    _write(texts, [f"{i:016x}" for i in range(len(texts) // len(names))], np.zeros(len(texts)), path)


def _write(texts: list[str], queries: list[str], temperature: np.ndarray, path: Path) -> None:
    """Write texts as a samples file, as many of each query."""
    n = len(texts) // len(queries)
    table = pl.DataFrame(
        {
            "query_id": np.repeat(queries, n),
            "sample_id": np.tile(np.arange(n), len(queries)),
            "completion": texts,
            "temperature": temperature,
        }
    )
    same = {"finish_reason": pl.lit("stop"), "num_tokens": 240, "round": 1}
    write(table.with_columns(**same, reasoning=None, reasoning_tokens=None), path, SAMPLES)


SYNTHETIC, REAL = "2.5 times, 500 MB", "12 times, 500 MB"
"""Bars."""
COPIES = 40
"""Of the real questions: 474,840 samples."""
TEACHER, STUDENT = GSM8K[-3:], GSM8K[:-3]
"""The models whose real responses are the teacher's, and the student's."""
FILES = (
    "teacher,student",
    "teacher_answers,student_answers,labels,teacher_grades,student_grades,pairs",
)
"""What is read, and what is written."""


def measure(*command: str) -> tuple[float, float]:
    """Processor seconds and peak MB of one command."""
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


FLOOR = """
import sys, polars as pl
from scripts.lib.data.tables import write, read, ANSWERS, LABELS, GRADES, PAIRS
names = dict(answers=ANSWERS, labels=LABELS, grades=GRADES, pairs=PAIRS)
inputs, outputs = sys.argv[1].split(","), sys.argv[2].split(",")
for path in inputs:
    scan = pl.scan_parquet(path)
    for start in range(0, scan.select(pl.len()).collect().item(), 100_000):
        scan.slice(start, 100_000).collect()
for path in outputs:
    kind = names[path.rsplit("/", 1)[1].split(".")[0].split("_")[-1]]
    write(pl.read_parquet(path), path + ".again", kind)
"""


def measure_all(part: str, folder: Path, m: int, bar: str) -> None:
    """Tell what each step takes of the samples in a folder, and all beside their floor; `m` samples vote."""
    names = ("teacher", "student", "labels", "held_out_pairs", "pairs")
    path = {name: str(folder / f"{name}.parquet") for name in names}
    path |= {
        f"{who}_{what}": str(folder / f"{who}_{what}.parquet")
        for who in ("teacher", "student")
        for what in ("answers", "grades")
    }
    read = ("-m", "scripts.label.read_answers", "--task", "numeric", "--samples")
    graded = [
        word
        for name in ("teacher_grades", "student_grades", "teacher_answers", "student_answers")
        for word in (f"--{name.replace('_', '-')}", path[name])
    ]
    steps = {
        "read teacher": (*read, path["teacher"], "--output", path["teacher_answers"]),
        "read student": (*read, path["student"], "--output", path["student_answers"]),
        "label": ("-m", "scripts.label.label", "--answers", path["teacher_answers"], "--m", str(m),
            "--output", path["labels"]),
        "grade teacher": ("-m", "scripts.label.grade", "--answers", path["teacher_answers"], "--labels",
            path["labels"], "--output", path["teacher_grades"]),
        "grade student": ("-m", "scripts.label.grade", "--answers", path["student_answers"], "--labels",
            path["labels"], "--output", path["student_grades"]),
        "hold out": ("-m", "scripts.pair.hold_out", *graded, "--output", path["held_out_pairs"]),
        "pair": ("-m", "scripts.pair.pair", *graded, "--held-out", path["held_out_pairs"], "--output",
            path["pairs"], "--funnel", str(folder / "funnel.json")),
    }  # fmt: skip
    start, _ = measure("-c", "import scripts.pair.pair")
    bare, _ = measure("-c", "import polars, scripts.lib.data.tables")
    spent = {name: measure(*command) for name, command in steps.items()}
    spent["all"] = (
        sum(seconds - start for seconds, _ in spent.values()) + start,
        max(mb for _, mb in spent.values()),
    )
    inputs, outputs = (",".join(path[each] for each in side.split(",")) for side in FILES)
    floor, _ = measure("-c", FLOOR, inputs, outputs)
    for name, (seconds, mb) in spent.items():
        whole = name == "all"
        beside = ("reading and writing all of it once", floor - bare) if whole else ()
        tell(part, name, seconds - start, "CPU s", *beside, more=f"{mb:.0f} MB", bar=bar if whole else "")


def measure_made(part: str, calls: dict[str, str], m: int, bar: str) -> None:
    """`measure_all` of the samples that `calls` make, by who samples them, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="bench_data_") as folder:
        for name, call in calls.items():
            # Not in this process: a child's peak memory starts from its parent's.
            path = f"path = Path({folder!r}) / '{name}.parquet'"
            measure("-c", f"from tests.bench.data import Path, make, make_real; {path}; {call}")
        measure_all(part, Path(folder), m, bar)


def main(samples: int = 1_000_000, characters: int = 780) -> None:
    """Make the samples, 40 % of a teacher and 60 % of a student, then the real ones; measure both."""
    queries = samples // 50
    makes = {"teacher": (20, 0.75, [0.0, 0.1, 0.2, 0.3], 0), "student": (30, 0.55, [0.7], 1)}
    calls = {
        name: f"make(path, {queries}, {n}, {right}, {characters}, {temperatures}, {seed})"
        for name, (n, right, temperatures, seed) in makes.items()
    }
    part = f"Samples to labels to pairs: {samples:,} samples of {characters} characters"
    measure_made(part, calls, 10, SYNTHETIC)
    if not SHARED:
        print("REDISTILL_SHARED_DATA is not set: no real responses here")
        return
    calls = {
        name: f"make_real(path, {models}, {COPIES})"
        for name, models in (("teacher", TEACHER), ("student", STUDENT))
    }
    measure_made("Real texts to labels to pairs", calls, len(TEACHER), REAL)


if __name__ == "__main__":
    tyro.cli(main)
