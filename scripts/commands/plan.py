"""Show what a run would do, why, and what it would cost, before anything is spent.

Usage: python -m scripts.commands.plan [--max-gpu-hours H] [--max-dollars D] [--settings VARIANT] [any flag or
target of Snakemake's (snakemake --help)]. It is a dry run with the same config and profile, after the models'
sizes, the settings that are not the method's defaults and the first prompt of every sampling step;
`--settings ours` (or all) shows every setting of that variant and where it comes from. Above a budget, or
where the profile's cluster could never run a job, it says so in one line and exits with 2. `python -m
scripts.commands.run` takes the budgets, too, and holds the same plan before it starts.
"""

import contextlib
import functools
import io
import logging
import math
import re
import shutil
import sys
import time
import types
from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from scripts.commands.prefetch import fetch_sizes
from scripts.lib.config import check
from scripts.lib.config.layers import WORLD, Layers, layers
from scripts.lib.config.whole import Config
from scripts.lib.errors import UserError
from scripts.lib.process.progress import duration
from scripts.lib.runs import attempts, ledger, limits, slurm, submission
from scripts.lib.runs.gpus import planned_on
from scripts.lib.runs.room import require_room
from scripts.lib.runs.snakemake_log import key_of, read_runs
from scripts.lib.runs.usage import told_usage
from scripts.lib.workflow.first_prompts import first_prompts
from scripts.lib.workflow.matched import matched
from scripts.lib.workflow.overview import overview, settings_table
from scripts.lib.workflow.sizes import sized

NUMBERS = ("jobs", "hours", "expected", "GPU-hours", "tokens", "dollars", "GB")
COLUMNS = (
    "rule",
    "because",
    "jobs",
    "GPUs",
    "GPU GB",
    "hours",
    "expected",
    "GPU-hours",
    "tokens",
    "dollars",
    "GB",
)
NOTE = """\
GPU GB: of each GPU, at the peak of the largest job, by the model of scripts/lib/workflow/memory.py
hours: at most, over all attempts and calls, less what has been held; expected: from finished jobs
here (*), else a cost model set by App. F
GPU-hours, tokens, dollars (APIs), GB on disk: at most; what is stored is not paid again"""

NO_GPU = "no GPU is seen on this machine: jobs that ask for one run on its CPUs, for longer than is said here"


class Planner(LogHandlerBase):
    """Collects the jobs that a dry run announces, and which of them go to a cluster as one."""

    jobs: list[dict] = []
    groups: list[frozenset[Any]] = []
    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep job announcements; pass errors on to stderr."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            self.jobs.append(vars(record))
        elif getattr(record, "event", None) == LogEvent.GROUP_INFO:
            self.groups.append(vars(record)["jobs"])
        elif record.levelno >= logging.ERROR:
            print(record.getMessage(), file=sys.stderr)


def summarise(jobs: list[dict]) -> list[dict]:
    """One line per rule and reason; `COLUMNS`. `seen` tells whether the hours expected come from finished
    jobs here, `cut` the GPUs that one may hold and that it needs, where these are more."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for job in jobs:
        if job.get("output"):
            groups[job["rule_name"], reason(job["reason"])].append(job)
    lines = []
    for (rule, because), members in groups.items():
        wanted = [resources_of(job) for job in members]
        on = [planned_on(rule, each) for each in wanted]
        past = [past_seconds(str(job.get("benchmark") or "")) for job in members]
        expected = [
            longer * number(each, "expected") if seconds is None else seconds
            for each, (_, longer), seconds in zip(wanted, on, past, strict=True)
        ]
        hours = [
            max(0, longer * most(each) - number(each, "held")) / 3600
            for each, (_, longer) in zip(wanted, on, strict=True)
        ]
        held = [int(number(each, "gpu")) for each in wanted]
        cut = [(has, gpus) for has, (gpus, _) in zip(held, on, strict=True) if has < gpus]
        lines.append(
            {
                "rule": rule,
                "because": because,
                "jobs": len(members),
                "GPUs": max(gpus for gpus, _ in on),
                "GPU GB": math.ceil(max(number(each, "gpu_memory") for each in wanted) / 1000),
                "hours": sum(hours),
                "starts": int(max(number(each, "starts") for each in wanted)),
                "expected": sum(expected) / 3600,
                "GPU-hours": sum(gpus * hour for (gpus, _), hour in zip(on, hours, strict=True)),
                "cut": min(cut, default=None),
                "tokens": int(sum(number(each, "tokens") for each in wanted)),
                "dollars": sum(number(each, "cents") for each in wanted) / 100,
                "GB": sum(number(each, "disk_mb") for each in wanted) / 1000,
                "seen": all(seconds is not None for seconds in past),
                "expected GPU-hours": sum(
                    gpus * seconds / 3600 for (gpus, _), seconds in zip(on, expected, strict=True)
                ),
            }
        )
    return lines


def most(resources: dict) -> float:
    """Seconds that a job may take at most on the GPUs that the config gives it."""
    return number(resources, "at_most") or 60 * number(resources, "runtime")


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
    return (
        ", ".join(found[:1] if found[:1] == ["not made yet"] else found)
        or (text.splitlines() or [""])[0][:60]
    )


@functools.cache
def past_seconds(benchmark: str) -> float | None:
    """Median wall seconds of this job and of its likes with another seed, as far as they have finished here;
    else None."""
    path = Path(benchmark)
    pattern = re.sub(r"\bseed=\d+", "seed=*", benchmark)
    files = sorted(Path().glob(pattern)) if pattern and not path.is_absolute() else []
    tables = [pl.read_csv(file, separator="\t", infer_schema=False) for file in files]
    means = [table.select(pl.col("s").cast(pl.Float64).mean()) for table in tables]
    return pl.concat(means).select(pl.col("s").median()).item() if means else None


def totals(lines: list[dict]) -> dict:
    """The sums of `NUMBERS` over the lines, and of the GPU-hours expected."""
    return {key: sum(line[key] for line in lines) for key in (*NUMBERS, "expected GPU-hours")}


def table(lines: list[dict]) -> str:
    """The plan as aligned text, with totals."""
    if not lines:
        return "Nothing to do: everything is there and up to date."
    sums = totals(lines)
    rows = [*lines, sums | {"rule": "total", "because": "", "GPUs": "", "GPU GB": "", "seen": False}]
    shown = [[_cell(row, key) for key in COLUMNS] for row in rows]
    widths = [max(len(row[index]) for row in [COLUMNS, *shown]) for index in range(len(COLUMNS))]
    text = [
        "  ".join(
            value.ljust(width) if index < 2 else value.rjust(width)
            for index, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [COLUMNS, *shown]
    ]
    price = f" and ${sums['dollars']:,.2f} for APIs" if sums["dollars"] else ""
    summary = (
        f"{sums['jobs']} jobs: {sums['GPU-hours']:,.1f} GPU-hours at most, "
        f"{sums['expected GPU-hours']:,.1f} expected; {sums['tokens'] / 1e6:,.1f} M tokens{price} at most"
    )
    return "\n".join([*text, "", NOTE, summary])


def _cell(row: dict, key: str) -> str:
    value = row[key]
    if key == "expected":
        return f"{'*' if row['seen'] else ''}{value:,.2f}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def resources_of(job: dict) -> dict:
    """Resources of an announced job as a plain dict."""
    return dict(job["resources"].items()) if job.get("resources") else {}


def number(resources: dict, name: str) -> float:
    """A numeric resource; 0 where it is missing."""
    value = resources.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def notes(lines: list[dict], on_slurm: bool, gpu: bool, free: float) -> list[str]:
    """What this machine may lack for the plan: a `gpu`, GPUs for a job, room for its files (`free` GB)."""
    found = []
    if not on_slurm and not gpu and any(line["GPUs"] for line in lines):
        found.append(NO_GPU)
    found += [
        f"{line['rule']}: needs {line['cut'][1]} GPUs, the profile lets {line['cut'][0]} be held "
        "(`--resources gpu=N`)"
        for line in lines
        if (on_slurm or gpu) and line["cut"]
    ]
    found += [
        f"{line['rule']}: longer than max_hours; goes on by itself, in {line['starts']} starts as expected"
        for line in lines
        if on_slurm and line["starts"] > 1
    ]
    if (most := totals(lines)["GB"]) > free:
        found.append(
            f"up to {most:,.0f} GB may be written, and {free:,.0f} GB are free here: make room first"
        )
    return found


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether a driver shows a GPU: NVIDIA's, AMD's, or that of Windows below this Linux."""
    return any((devices / name).exists() for name in ("nvidia0", "kfd", "dxg"))


def used_up(jobs: list[dict]) -> dict[str, float]:
    """What earlier calls in this folder have cost, by the names of a budget, when `jobs` are to follow."""
    runs = read_runs(working=False)
    again = {key_of(job["rule_name"], dict(job.get("wildcards") or {}).items()) for job in jobs}
    return {"GPU-hours": ledger.held(runs, time.time()), "dollars": ledger.paid(runs, again)}


def hold_budget(lines: list[dict], budget: dict[str, float], before: dict[str, float]) -> None:
    """Raise UserError where the plan's total, with what earlier calls in this folder have cost `before`, may
    exceed `budget` ("GPU-hours", "dollars")."""
    sums = totals(lines)
    for key, limit in budget.items():
        spent = before.get(key, 0)
        if sums[key] + spent > limit:
            also = f" after the {spent:,.1f} that runs here have spent" if spent else ""
            raise UserError(
                f"the plan needs {sums[key]:,.1f} {key} at most{also}, the budget is {limit:,g}: "
                f"plan less, or raise --max-{key.lower()}"
            )


def hold_allowance(jobs: list[dict]) -> None:
    """Raise UserError for the first job whose earlier attempts have held all that was planned at most."""
    for job in jobs:
        said = resources_of(job)
        held, most = number(said, "held"), number(said, "at_most")
        if held and most - held < attempts.SHORTEST:
            raise UserError(
                f"rule {job['rule_name']}: its attempts have held {duration(held)} of the {duration(most)} "
                "planned at most, and it is not done: see its log, or raise slack in the config (it goes on "
                "where it stopped)"
            )


def hold_cluster(
    jobs: list[dict], groups: list[dict], arguments: list[str], known: dict[str, slurm.Partition]
) -> None:
    """Raise UserError for the first job that the cluster could never run, alone or with its group;
    say which partitions are closed."""
    profile, how = slurm.profile(arguments), submission.settings(arguments)
    partition_file = profile.get("slurm-partition-config")
    alone = [
        submitted(job, partition_file, how) for job in jobs if job.get("output") and not job.get("local")
    ]
    together = [submitted(group, partition_file, how) for group in groups]
    within = limits.site()

    def hold(asked: list[slurm.Job]) -> None:
        slurm.check(asked, known)
        limits.check(asked, known, within)

    hold(alone)
    try:
        hold(together)
    except UserError as error:
        what, _, _ = str(error).rpartition(": ")
        raise UserError(f"{what}: apart its steps fit, so take some out of the profile's groups") from None
    slurm.remembers(profile.get("slurm-status-command", ""))
    slurm.rehearse([*alone, *together], known)
    for line in slurm.closed(alone, known):
        print(line, flush=True)


def submitted(job: dict, partition_file: str | None, how: Any) -> slurm.Job:
    """What an announced job, or group of jobs, asks of SLURM; `how`: the plugin's settings."""
    resources = resources_of(job)
    gpus = int(number(resources, "gpu"))
    partition = slurm.choose(resources, partition_file)
    return slurm.Job(
        rule=job["rule_name"],
        partition=partition,
        gpus=gpus,
        model=str(resources.get("gpu_model") or "") if gpus else "",
        minutes=number(resources, "runtime"),
        mem_mb=int(number(resources, "mem_mb")),
        cpus=int(number(resources, "cpus_per_task")),
        command=submission.command(job, partition, how),
        nodes=int(number(resources, "nodes")) or 1,
    )


def grouped(jobs: frozenset[Any]) -> dict:
    """What Snakemake asks of a cluster for a group of its jobs: levels after each other, and within a level
    side by side what the profile's `resources` let run at once."""
    from snakemake.iocontainers import ResourceList
    from snakemake.resources import GroupResources, Resources

    dag = next(iter(jobs)).dag
    limits = {name: limit for name, limit in dag.workflow.global_resources.items() if name != "_cores"}
    resources = GroupResources.basic_layered(
        toposorted_jobs=list(dag.toposorted(jobs, inherit_pipe_dependencies=True)),
        constraints=Resources(limits),  # cores are a dry run's, which has one
        run_local=False,
        additive_resources=["runtime"],
        sortby=["runtime"],
    )
    resources = {**resources, "nodes": 1}  # as scripts/lib/runs/plugin.py has it
    rules = "+".join(sorted({job.rule.name for job in jobs}))
    return {"rule_name": rules, "resources": ResourceList(fromdict=resources)}


def budgets(arguments: list[str]) -> tuple[dict[str, float], list[str]]:
    """Split `--max-gpu-hours H` and `--max-dollars D` from Snakemake's arguments. Raises UserError."""
    budget: dict[str, float] = {}
    rest = arguments
    for flag, name in (("--max-gpu-hours", "GPU-hours"), ("--max-dollars", "dollars")):
        value, rest = option(flag, rest)
        try:
            budget |= {} if value is None else {name: float(value)}
        except ValueError:
            raise UserError(f"{flag}: {value!r} is not a number") from None
    return budget, rest


def option(name: str, arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of a flag of ours (also with =), None without it, and the other arguments."""
    value, rest, words = None, [], iter(arguments)
    for word in words:
        flag, equals, given = word.partition("=")
        if flag == name:
            value = given if equals else next(words, "")
        else:
            rest.append(word)
    return value, rest


def read_by(arguments: list[str]) -> tuple[Layers, list[str]]:
    """The config files that a Snakemake command line reads, and its targets. Raises UserError for a wrong
    one."""
    from snakemake.cli import parse_args, parse_config

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            _, given = parse_args(arguments)
        more = parse_config(given.config)
    except SystemExit as stop:
        if not stop.code:
            raise  # --version has been answered
        raise UserError(f"{said.getvalue().strip().splitlines()[-1]}; see snakemake --help") from None
    except (ValueError, AssertionError):
        raise UserError("--config: give name=value, a key of the config and its value") from None
    return layers(*(given.configfile or [WORLD]), **more), list(map(str, given.targets or []))


def checked(arguments: list[str]) -> tuple[Layers, Config, dict[str, list[dict]]]:
    """The config of a Snakemake command line, and the rows of each study that it asks for. Raises UserError
    for what would stop a run later: a wrong flag, config, name, table or file."""
    layered, targets = read_by(arguments)
    config = check.parse(layered.merged(), layers=lambda: layered)
    return layered, config, check.asked(config, targets)


def describe(arguments: list[str], variant: str | None) -> None:
    """Print what is planned: models, the settings that are not the defaults, and the first prompts; of a
    variant, or `all`, every setting."""
    layered, config, tables = checked(arguments)
    table = [row for rows in tables.values() for row in rows]
    fetch_sizes(config, table)
    config = matched(sized(config), table)
    if variant is None:
        print(overview(config, layered, table), "", sep="\n")
        print(first_prompts(config, tables), "", sep="\n", flush=True)
        return
    if variant != "all":
        check.known(config.variants, variant, "variants", "--settings")
        table = [row for row in table if row["variant"] == variant]
        if not table:
            raise UserError(f"--settings {variant}: no row of this study has it")
    print(settings_table(config, layered, table), flush=True)


def announce(arguments: list[str]) -> int:
    """Have a dry run tell `Planner` its jobs and groups; returns the exit code."""
    from snakemake.cli import main as snakemake

    plugin: Any = types.SimpleNamespace(LogHandler=Planner)
    LoggerPluginRegistry().register_plugin("plan", plugin)
    Planner.jobs.clear()
    Planner.groups.clear()
    try:
        snakemake(["--dry-run", "--logger", "plan", *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def main(arguments: list[str]) -> int:
    """Dry-run, print the plan, hold it against cluster and budget; returns the exit code."""
    if told_usage(arguments, __doc__):
        return 0
    try:
        require_room()
        budget, rest = budgets(arguments)
        variant, rest = option("--settings", rest)
        describe(rest, variant)
        if code := announce(rest):
            return code
        lines = summarise(Planner.jobs)
        print(table(lines), flush=True)
        for note in notes(lines, slurm.is_slurm(rest), has_gpu(), shutil.disk_usage(Path.cwd()).free / 1e9):
            print(note, flush=True)
        hold_allowance(Planner.jobs)
        if lines and slurm.is_slurm(rest):
            try:
                slurm.require()
                known = slurm.partitions()
            except UserError as error:
                print(f"not held against the cluster: {error}", file=sys.stderr)
            else:
                hold_cluster(Planner.jobs, [grouped(jobs) for jobs in Planner.groups], rest, known)
        hold_budget(lines, budget, used_up(Planner.jobs) if budget else {})
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
