"""Completions read per second and core, on real responses, beside the careful reader alone:
`python -m tests.bench.reading`."""

import time
from collections.abc import Callable

import polars as pl

from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import read_answers
from tests.lib.tasks.test_real import GSM8K, MMLU_PRO, SHARED, lines, mmlu_pro


def seconds(read: Callable[[], object]) -> float:
    """Processor seconds, the least of three."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        read()
        spent.append(time.process_time() - began)
    return min(spent)


def compare(name: str, task: str, texts: list[str], options: list[list[str]]) -> float:
    """Print a line of a file; returns the seconds that it takes."""
    careful = task_of(task).read
    column, choices = pl.Series(texts), pl.Series(options, dtype=pl.List(pl.String))
    ours = seconds(lambda: read_answers(task, column, None, choices))
    alone = seconds(lambda: [careful(text, given) for text, given in zip(texts, options, strict=True)])
    print(f"  {name:40}{len(texts) / ours:9.0f}{len(texts) / alone:9.0f}")
    return ours


def main() -> None:
    """Read every file; REDISTILL_SHARED_DATA says where they are."""
    if not SHARED:
        print("REDISTILL_SHARED_DATA is not set: no real responses here")
        return
    print(f"  {'completions per second':40}{'all':>9}{'careful':>9}")
    spent = rows = 0.0
    for name in GSM8K:
        texts = [row["responses"][0] for row in lines(f"outputs/gsm8k/{name}.jsonl.gz")]
        spent, rows = spent + compare(name, "numeric", texts, [[]] * len(texts)), rows + len(texts)
    print(f"  {'all of GSM8K':40}{rows / spent:9.0f}")
    for name in MMLU_PRO:
        answered = mmlu_pro(name)
        texts = [row["generated_text"] for row in answered]
        compare(name, "choice", texts, [row["options"] for row in answered])


if __name__ == "__main__":
    main()
