"""Why attempts at jobs ended on SLURM, and what the next ones ask for: Snakemake only counts failures.

Only a job that ran out of memory gets more, only one that met its time limit without getting on gets more
time; one that got on goes on, as often as it takes, and nothing beyond what the plan says at most.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.errors import UserError
from scripts.lib.process.progress import duration
from scripts.lib.runs import slurm
from scripts.lib.runs.snakemake_log import SnakemakeRun, key_of, read_runs, seconds

NOTICE = 180
"""Seconds before its time limit from which a step has been told to end: the profile's 120, and SLURM looks
once a minute."""
SHORTEST = 300
"""Seconds that an attempt is worth: less is not asked for."""
SHORT = re.compile(r"oom.kill|out of memory|exceeded memory limit", re.IGNORECASE)
KILLED = re.compile(r"exit (?:status|code) (?:137|-9)\b|SIGKILL")
"""What SLURM's log of a job says where the node's memory ran out: SLURM's words, and what the kernel does."""
GAINED = re.compile(r"^\w+ \d+ of \d+ in .*$", re.MULTILINE)
"""A line of `Progress` once something is done since the step began."""


@dataclass(frozen=True)
class Ended:
    """How a SLURM job ended: SLURM's word, seconds that its last start held and its limit in seconds, its
    partition, and seconds that the starts held which SLURM ended and queued again."""

    state: str
    held: float
    limit: float
    partition: str
    before: float = 0

    @property
    def all_held(self) -> float:
        """Seconds of all its starts."""
        return self.before + self.held


@dataclass
class Past:
    """What befell the attempts at one job since it was last finished, in all calls."""

    held: float = 0
    """Seconds that SLURM held them for."""
    memory: int = 0
    """Times that the node's memory ran out."""
    limits: int = 0
    """Time limits that came before anything was done."""
    gone_on: int = 0
    """Time limits after which this call went on: no failures."""
    over: bool = False
    """Whether another attempt is of no use in this call."""
    node_mb: float = math.inf
    """Memory of the largest node of its partition, known once memory has run out."""


pasts: dict[tuple[str, ...], Past] = {}
"""The past of every unfinished job; filled by `install`, in the process that submits or plans."""


def earlier(runs: Iterable[SnakemakeRun]) -> dict[tuple[str, ...], Past]:
    """The past of every unfinished job that earlier calls, oldest first, tell of."""
    found: dict[tuple[str, ...], Past] = {}
    for attempt in (attempt for run in runs for attempt in run.attempts):
        if attempt.state == "done":
            found.pop(attempt.job, None)
            continue
        past = found.setdefault(attempt.job, Past())
        past.held += seconds(attempt, attempt.ended)
        past.memory += attempt.why.startswith("out of memory")
        past.limits += attempt.why.startswith("time limit before")
        if node := re.search(r"a node has (\d+) MB", attempt.why):
            past.node_mb = float(node[1])
    return found


def past_of(rule: str, wildcards: Any) -> Past:
    """The past of a job; an empty one where nothing is planned for SLURM or submitted to it."""
    return pasts.get(key_of(rule, wildcards.items()), Past())


def ended(number: str) -> Ended | None:
    """What SLURM says of a job that has ended; None where it does not remember it."""
    try:
        said = slurm.ask("squeue", "-h", "-t", "all", "-j", number, "-o", "%T|%M|%l|%P").split("|")
    except (UserError, OSError):
        return None
    if len(said) != 4:
        return None
    state, held, limit, partition = said
    return Ended(
        state, 60 * slurm.minutes(held), 60 * slurm.minutes(limit), partition.strip(), before(number)
    )


def before(number: str) -> float:
    """Seconds that a job held in the starts before its last one: SLURM's queue knows the last alone, its
    accounts know all; 0 where a site keeps none."""
    asked = "--duplicates", "--allocations", "--noheader", "--parsable2", "--format=Start,ElapsedRaw,JobName"
    try:
        rows = [line.split("|", 2) for line in slurm.ask("sacct", *asked, "--jobs", number).splitlines()]
        *earlier, last = sorted((start, int(held), name) for start, held, name in rows if held != "0")
    except (UserError, OSError, ValueError):
        return 0
    return sum(held for _, held, name in earlier if name == last[2])  # numbers are used again, in years


def why(how: Ended | None, slurm_log: str, log: str) -> str:
    """Why an attempt failed: "out of memory", "time limit" with or without anything done, or "an error"."""
    if (how and how.state == "OUT_OF_MEMORY") or SHORT.search(slurm_log):
        return "out of memory"
    if how and (how.state == "TIMEOUT" or how.held >= how.limit - NOTICE):
        return "time limit, goes on" if GAINED.search(log) else "time limit before anything was done"
    return "out of memory" if KILLED.search(slurm_log) else "an error"


def note(past: Past, reason: str, how: Ended | None, asked_mb: float, at_most: float) -> str:
    """Add an attempt to its job's past; returns why it ended, and why no other is started where none is.

    `asked_mb`: what it asked for; `at_most`: seconds that all attempts together may hold.
    """
    past.held += how.all_held if how else 0
    if reason == "out of memory":
        past.memory += 1
        past.node_mb = node_memory(how.partition) if how else math.inf
        reason += f" of {asked_mb:.0f} MB; a node has {past.node_mb:.0f} MB"
        past.over = asked_mb >= past.node_mb
    elif reason == "time limit, goes on":
        past.gone_on += 1
    elif reason.startswith("time limit"):
        past.limits += 1
    if at_most and at_most - past.held < SHORTEST:
        past.over = True
        reason += (
            f"; its attempts have held {duration(past.held)} of the {duration(at_most)} planned at most: "
            "raise slack in the config, and the same command goes on where it stopped"
        )
    return reason


def node_memory(partition: str) -> float:
    """MB that a job may ask for on the largest node of a partition; infinite where SLURM does not say."""
    try:
        found = slurm.partitions()[partition]
    except (UserError, OSError, KeyError):
        return math.inf
    return min(found.mem_mb, max((node.mem_mb for node in found.nodes), default=math.inf))


def text_of(path: str) -> str:
    """A log's text; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def tell(executor: Any, info: Any, failed: bool) -> None:
    """Note how a submitted job ended, and say it in Snakemake's log, where the next call reads it."""
    if not info.external_jobid:
        return
    how, job = ended(info.external_jobid), info.job
    reason = "done"
    if failed:
        reason = "an error"
        slurm_log = text_of(str(info.aux.get("slurm_logfile", "")))
        for member in job.jobs if job.is_group() else [job]:
            past = pasts.setdefault(key_of(member.rule.name, member.wildcards_dict.items()), Past())
            asked = job.resources.get
            cause = why(how, slurm_log, text_of(str(next(iter(member.log), ""))))
            reason = note(past, cause, how, asked("mem_mb") or 0, asked("at_most") or 0)
    held = f"{how.all_held:.0f}" if how else "an unknown number of"
    executor.logger.info(f"SLURM job {info.external_jobid} held {held} s: {reason}")


def install() -> None:
    """Have the plugin say why each job ended, and Snakemake start again what that is good for, no more."""
    import snakemake_executor_plugin_slurm as plugin
    from snakemake.jobs import Job

    pasts.update(earlier(read_runs(working=False)))
    executor, retries = plugin.Executor, Job.restart_times.fget
    success, error = executor.report_job_success, executor.report_job_error

    def told(report: Callable[..., None], failed: bool) -> Callable[..., None]:
        def wrapped(self: Any, info: Any, *arguments: Any, **more: Any) -> None:
            tell(self, info, failed)
            report(self, info, *arguments, **more)

        return wrapped

    def restarts(job: Any) -> int:
        past = past_of(job.rule.name, job.wildcards_dict)
        return 0 if past.over else retries(job) + past.gone_on

    executor.report_job_success, executor.report_job_error = told(success, False), told(error, True)
    Job.restart_times = property(restarts)
