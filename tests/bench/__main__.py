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
from tests.bench.rows import KEPT, tell

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
    part = "Start-up (--help)"
    for step in STEPS:
        wall, cpu = seconds([sys.executable, "-m", f"scripts.{step}", "--help"])
        tell(part, step, wall, "s", more=f"{cpu:.2f} CPU s", bar="1 s")
    trainer = "import scripts.lib.training.sft"
    usual, ours = "a trainer, with Python's own looks for garbage", "a trainer"
    for name, first in ((usual, ""), (ours, f"import gc; gc.set_threshold{GARBAGE}; ")):
        imported = [str(ROOT / ".venv-gpu/bin/python"), "-c", first + trainer]
        wall, cpu = seconds(imported)
        tell(part, name, wall, "s", more=f"{cpu:.2f} CPU s")


def dry_run() -> None:
    """An up-to-date dry run of the demo, where it has been run."""
    if not (ROOT / "results/reports/demo/report.html").exists():
        print("\nup-to-date dry run: run `make demo` first")
        return
    command = [sys.executable, "-m", "snakemake", "results/reports/demo/report.html"]
    wall, cpu = seconds([*command, "--profile", "profiles/local", "-n", "--quiet", "rules"])
    bare, _ = seconds([sys.executable, "-m", "snakemake", "--version"])
    tell("The demo", "up-to-date dry run", wall, "s", "snakemake --version", bare, more=f"{cpu:.2f} CPU s")


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
    for rule, jobs, wall, cpu, peak in table.select("rule", "jobs", "s", "cpu_time", "max_rss").iter_rows():
        print(f"  {rule:30}{jobs:4} jobs{wall:9.1f} s{cpu:9.1f} CPU s{peak:8.0f} MB")
    jobs, wall, cpu = table.select(pl.sum("jobs", "s", "cpu_time")).row(0)
    tell("The demo", f"its {jobs} jobs", cpu, "CPU s", more=f"{table['max_rss'].max():.0f} MB", bar="450")


def main() -> None:
    """Run every measurement; the rows are kept in bench.jsonl."""
    kept = ROOT / "bench.jsonl"
    kept.unlink(missing_ok=True)
    os.environ[KEPT] = str(kept)
    start_up()
    dry_run()
    steps()
    models = str(ROOT / ".venv-gpu/bin/python")
    one = {"POLARS_MAX_THREADS": "1"}
    for python, name, more in (
        (sys.executable, "reading", one),
        (sys.executable, "data", {}),
        (sys.executable, "store", {}),
        (sys.executable, "page", {}),
        (models, "generation", {}),
        (models, "training", {}),
    ):
        subprocess.run([python, "-m", f"tests.bench.{name}"], cwd=ROOT, env=os.environ | more, check=True)
    print(f"\nkept in {kept.name}; as a table: python -m tests.bench.rows {kept.name}")


if __name__ == "__main__":
    main()
