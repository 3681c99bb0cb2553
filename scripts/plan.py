"""Show what a run would do, why, and what it would cost at most, before anything is spent.

Usage: python -m scripts.plan [any Snakemake flag or target]. It is a dry run with the same config and profile.
"""

import logging
import sys
import types
from collections import defaultdict
from pathlib import Path

import polars as pl
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

COLUMNS = ("rule", "because", "jobs", "GPUs", "hours", "expected", "GPU-hours", "tokens")


class Planner(LogHandlerBase):
    """Collects the jobs that a dry run announces."""

    jobs: list[dict] = []
    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep job announcements; pass errors on to stderr."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            self.jobs.append(vars(record))
        elif record.levelno >= logging.ERROR:
            print(record.getMessage(), file=sys.stderr)


def summarise(jobs: list[dict]) -> list[dict]:
    """One line per rule and reason: jobs, GPUs of the largest, hours and GPU-hours at most, hours expected, tokens at most."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for job in jobs:
        groups[job["rule_name"], reason(job["reason"])].append(job)
    lines = []
    for (rule, because), members in groups.items():
        hours = [_number(job, "runtime") / 60 for job in members]
        gpus = [int(_number(job, "gpu")) for job in members]
        usual = past_seconds(rule)
        lines.append(
            {
                "rule": rule,
                "because": because,
                "jobs": len(members),
                "GPUs": max(gpus),
                "hours": sum(hours),
                "expected": usual * len(members) / 3600 if usual is not None else None,
                "GPU-hours": sum(gpu * hour for gpu, hour in zip(gpus, hours, strict=True)),
                "tokens": int(sum(_number(job, "tokens") for job in members)),
            }
        )
    return lines


def reason(text: str) -> str:
    """Snakemake's reason without file names: a short phrase that jobs can share."""
    phrases = {
        "Missing output files": "not made yet",
        "Input files updated by another job": "an input will be remade",
        "Updated input files": "an input has changed",
        "Set of input files has changed": "other inputs than last time",
        "Params have changed": "its settings or code have changed",
        "Code has changed": "its command has changed",
        "Software environment": "its environment has changed",
        "Incomplete": "it was interrupted",
        "Forced": "forced",
    }
    found = [phrase for start, phrase in phrases.items() if start.lower() in text.lower()]
    return ", ".join(found) or text.splitlines()[0][:60]


def past_seconds(rule: str, folder: Path = Path("benchmarks")) -> float | None:
    """Median wall seconds of this rule's finished jobs here, or None."""
    files = sorted(folder.joinpath(rule).rglob("*.tsv"))
    seconds = [
        pl.read_csv(file, separator="\t", infer_schema=False)["s"].cast(pl.Float64).mean() for file in files
    ]
    return float(pl.Series(seconds).median()) if seconds else None


def table(lines: list[dict]) -> str:
    """The plan as aligned text, with totals."""
    if not lines:
        return "Nothing to do: everything is there and up to date."
    total = {
        "rule": "total",
        "because": "",
        "jobs": sum(line["jobs"] for line in lines),
        "GPUs": "",
        "hours": sum(line["hours"] for line in lines),
        "expected": sum(line["expected"] or 0 for line in lines),
        "GPU-hours": sum(line["GPU-hours"] for line in lines),
        "tokens": sum(line["tokens"] for line in lines),
    }
    cells = [COLUMNS, *([_cell(line[key]) for key in COLUMNS] for line in [*lines, total])]
    widths = [max(len(row[index]) for row in cells) for index in range(len(COLUMNS))]
    text = [
        "  ".join(
            value.ljust(width) if index < 2 else value.rjust(width)
            for index, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    note = "hours: requested, at most; expected: from finished jobs here; tokens: to sample, at most (the store keeps what is paid for)"
    return "\n".join([*text, "", note])


def _cell(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number(job: dict, name: str) -> float:
    value = dict(job["resources"].items()).get(name, 0) if job.get("resources") else 0
    return float(value) if isinstance(value, int | float) else 0.0


def main(arguments: list[str]) -> int:
    """Dry-run with `arguments`, print the plan, return Snakemake's exit code."""
    from snakemake.cli import main as snakemake

    LoggerPluginRegistry().register_plugin("plan", types.SimpleNamespace(LogHandler=Planner))
    Planner.jobs.clear()
    try:
        snakemake(["--dry-run", "--logger", "plan", *arguments])
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    if code == 0:
        print(table(summarise(Planner.jobs)))
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
