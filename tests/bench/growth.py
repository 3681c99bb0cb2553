"""Steps over questions as these grow: `python -m tests.bench.growth`, sizes by --questions.

Reading and splitting them, the leakage gate against 12,000 others (MMLU-Pro's number), and rendering them as
prompts, which every sampling step does. Each in a process of its own, its start-up included.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import tyro

from tests.bench.data import WORDS, measure

HELD_OUT = 12_000


def make(path: Path, count: int, seed: int) -> None:
    """Questions of about 40 words, no two alike."""
    random = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            text = " ".join(random.choice(WORDS, 36))
            file.write(json.dumps({"question": f"{text} {seed} {number} ?", "answer": str(number)}) + "\n")


RENDERED = """
import sys
from pathlib import Path
from scripts.lib.data.tables import QUERIES, read
from scripts.lib.engines.base import Prompt
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.samples.draws import draws
from scripts.lib.samples.fill import render
from scripts.lib.samples.requests import Requests
template = PromptTemplate(Path("config/prompts/gsm8k.jinja"), False)
class Plain:
    def render(self, *asked): return Prompt("text", template.text(*asked), lambda: (asked, ()))
prompts, _ = render(Plain(), read(Path(sys.argv[1]), QUERIES))
Requests(prompts, draws([0.1, 0.2, 0.3], 5, 1, 0), 0)
"""


def main(questions: tuple[int, ...] = (7_500, 75_000, 300_000)) -> None:
    """Print each step at each size."""
    print("questions  step                  CPU s   peak MB")
    for count in questions:
        with tempfile.TemporaryDirectory(prefix="bench_growth_") as name:
            folder = Path(name)
            for side, size in (("train", count), ("held_out", HELD_OUT)):
                make(folder / f"{side}.jsonl", size, len(side))
            of = {side: str(folder / f"{side}.parquet") for side in ("train", "held_out")}
            read = ("-m", "scripts.queries.queries", "--task", "numeric", "--input")
            golds = ("--golds", str(folder / "golds.parquet"))
            measure(*read, str(folder / "held_out.jsonl"), "--queries", of["held_out"], *golds)
            gate = (
                "--train",
                of["train"],
                "--held-out",
                of["held_out"],
                "--output",
                str(folder / "gate.json"),
            )
            steps = {
                "queries": (*read, str(folder / "train.jsonl"), "--queries", of["train"], *golds),
                "check_leakage": ("-m", "scripts.queries.check_leakage", *gate),
                "prompts": ("-c", RENDERED, of["train"]),
            }
            for step, command in steps.items():
                seconds, peak = measure(*command)
                print(f"{count:9}  {step:18}  {seconds:7.1f} {peak:9.0f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
