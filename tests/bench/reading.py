"""Completions read per second and core, on real responses, beside the careful reader alone:
`python -m tests.bench.reading`. Each file several times over, as a column of several samples a question is:
compiling the expressions takes 5 ms a column."""

import time
from collections.abc import Callable

import polars as pl

from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import read_answers
from tests.bench.rows import tell
from tests.lib.tasks.test_real import GSM8K, MMLU_PRO, SHARED, lines, mmlu_pro

SAMPLES = 8
PART = "Real responses to answers, one core"


def seconds(read: Callable[[], object]) -> float:
    """Processor seconds, the least of three."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        read()
        spent.append(time.process_time() - began)
    return min(spent)


def compare(name: str, task: str, texts: list[str], options: list[list[str]], bar: int) -> float:
    """Print a line of a file; returns the seconds that it takes."""
    careful = task_of(task).read
    column = pl.Series(texts * SAMPLES)
    choices = pl.Series(options * SAMPLES, dtype=pl.List(pl.String))
    ours = seconds(lambda: read_answers(task, column, None, choices)) / SAMPLES
    alone = seconds(lambda: [careful(text, given) for text, given in zip(texts, options, strict=True)])
    rates = len(texts) / ours, "completions/s", "careful reader", len(texts) / alone
    tell(PART, name, *rates, bar=f"{bar:,}")
    return ours


def main() -> None:
    """Read every file; REDISTILL_SHARED_DATA says where they are."""
    if not SHARED:
        print("REDISTILL_SHARED_DATA is not set: no real responses here")
        return
    spent = rows = 0.0
    for name in GSM8K:
        texts = [row["responses"][0] for row in lines(f"outputs/gsm8k/{name}.jsonl.gz")]
        spent, rows = spent + compare(name, "numeric", texts, [[]] * len(texts), 12_000), rows + len(texts)
    tell(PART, "all of GSM8K", rows / spent, "completions/s", bar="60,000")
    for name in MMLU_PRO:
        answered = mmlu_pro(name)
        texts = [row["generated_text"] for row in answered]
        bar = 20_000 if "Instruct" in name else 40_000
        compare(name, "choice", texts, [row["options"] for row in answered], bar)


if __name__ == "__main__":
    main()
