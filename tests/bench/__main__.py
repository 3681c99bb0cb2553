"""`make bench`: speed and size, each beside its alternative in one run. Ratios are what to read:
machines are noisy."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from scripts.lib.process.cli import GARBAGE
from scripts.lib.report.numbers.spending import job_cost
from scripts.lib.workflow.layout import log_of

ROOT = Path(__file__).resolve().parents[2]
STEPS = (
    *("label.read_answers", "label.find_unsure", "label.label", "label.grade", "pair.pair", "score.score"),
    *("queries.queries", "queries.check_leakage", "report.manifest", "report.report"),
)


def seconds(command: list[str], repeat: int = 3) -> tuple[float, float]:
    """Median wall and CPU seconds of a command's whole process tree."""
    walls, cpus = [], []
    for _ in range(repeat):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - start)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(walls)[repeat // 2], sorted(cpus)[repeat // 2]


def start_up() -> None:
    """Steps that need no model start in under a second; beside it, what a trainer's imports cost,
    with Python's way of looking for garbage and with that of `scripts.lib.process.cli.cli`."""
    print("\nstart-up of a step (--help), seconds: wall, CPU")
    for step in STEPS:
        wall, cpu = seconds([sys.executable, "-m", f"scripts.{step}", "--help"])
        print(f"  {step:22}{wall:6.2f} {cpu:6.2f}")
    trainer = "import scripts.lib.training.sft"
    for name, first in (("a trainer", ""), ("  rarer gc", f"import gc; gc.set_threshold{GARBAGE}; ")):
        imported = [str(ROOT / ".venv-gpu/bin/python"), "-c", first + trainer]
        print(f"  {name:16}{'{:6.2f} {:6.2f}'.format(*seconds(imported))}")


def dry_run() -> None:
    """An up-to-date dry run of the demo, where it has been run."""
    if not (ROOT / "results/reports/demo/report.html").exists():
        print("\nup-to-date dry run: run `make demo` first")
        return
    command = [sys.executable, "-m", "snakemake", "results/reports/demo/report.html"]
    wall, cpu = seconds([*command, "--profile", "profiles/local", "-n", "--quiet", "rules"])
    bare, _ = seconds([sys.executable, "-m", "snakemake", "--version"])
    print(
        f"\nup-to-date dry run of the demo: {wall:.2f} s wall, {cpu:.2f} CPU; `snakemake --version` alone "
        f"{bare:.2f}"
    )


def steps() -> None:
    """What each step of the last demo took."""
    files = sorted((ROOT / "benchmarks").rglob("*.tsv"))
    if not files:
        return
    rows = [
        {"rule": file.relative_to(ROOT / "benchmarks").parts[0], **job_cost(file, log_of(file))}
        for file in files
    ]
    table = (
        pl.DataFrame(rows, infer_schema_length=None)
        .group_by("rule")
        .agg(pl.len().alias("jobs"), pl.col("s", "cpu_time").sum(), pl.col("max_rss").max())
        .sort("cpu_time", descending=True)
    )
    print("\nthe demo's steps: jobs, wall seconds, CPU seconds, peak MB")
    for rule, jobs, wall, cpu, peak in table.select("rule", "jobs", "s", "cpu_time", "max_rss").iter_rows():
        print(f"  {rule:30}{jobs:4}{wall:9.1f}{cpu:9.1f}{peak:8.0f}")
    jobs, wall, cpu = table.select(pl.sum("jobs", "s", "cpu_time")).row(0)
    print(f"  {'all':30}{jobs:4}{wall:9.1f}{cpu:9.1f}{table['max_rss'].max():8.0f}")


def main() -> None:
    """Run every measurement."""
    start_up()
    dry_run()
    steps()
    print("\nreal responses to answers, one core", flush=True)
    one = os.environ | {"POLARS_MAX_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "tests.bench.reading"], cwd=ROOT, env=one, check=True)
    print("\nsamples to labels to pairs, against reading and writing alone", flush=True)
    subprocess.run([sys.executable, "-m", "tests.bench.data"], cwd=ROOT, check=True)
    print("\nthe sample store, against one file of its rows", flush=True)
    subprocess.run([sys.executable, "-m", "tests.bench.store"], cwd=ROOT, check=True)
    print("\nthe report of a full-size study", flush=True)
    subprocess.run([sys.executable, "-m", "tests.bench.page"], cwd=ROOT, check=True)
    print("\nsampling a tiny model, against transformers' own generate", flush=True)
    models = str(ROOT / ".venv-gpu/bin/python")
    subprocess.run([models, "-m", "tests.bench.generation"], cwd=ROOT, check=True)
    print("\nSFT and the reward model, against TRL's trainers", flush=True)
    subprocess.run([models, "-m", "tests.bench.training"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
