"""How the run in this folder is doing: jobs by state, samples and episodes done, work left, what alarms, what
failed and why.

Usage: python -m scripts.commands.status [STUDY]. Reads the log of the newest run, the steps' own logs and
what they have written; for a run on SLURM it also asks the queue. Changes nothing.
"""

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

import tyro

from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.process.progress import duration
from scripts.lib.runs import ledger
from scripts.lib.runs.gpus import planned_on
from scripts.lib.runs.lock import owner
from scripts.lib.runs.slurm import ask
from scripts.lib.runs.snakemake_log import (
    Attempt,
    SnakemakeRun,
    alarms,
    failures,
    last_line,
    read_runs,
    seconds,
)


def queue(jobs: list[Attempt]) -> dict[str, str]:
    """SLURM's state of jobs by number, with the reason where one waits; empty where SLURM does not answer."""
    numbers = ",".join(job.slurm for job in jobs if job.slurm)
    if not numbers:
        return {}
    try:
        text = ask("squeue", "-h", "-t", "all", "-j", numbers, "-o", "%i %T %r")
    except (UserError, OSError):
        return {}
    return {number: f"{state} ({reason})" if reason != "None" else state
            for number, state, reason in (line.split(" ", 2) for line in text.splitlines())}  # fmt: skip


def done(results: Path, state: Path, running: Iterable[Attempt] = ()) -> tuple[int, int]:
    """Completions and PPO episodes so far: in ledgers and training logs under `results`, and of jobs at work.

    A job at work tells its completions in the last line of its log, its episodes in a training log under
    `state`.
    """
    samples = episodes = 0
    for path in results.rglob("ledger.json"):
        samples += int(_json(path.read_text()).get("requested", 0))
    for attempt in running:
        if found := re.match(r"completion (\d+) of \d+", last_line(attempt.log)):
            samples += int(found[1])
    for path in [*results.rglob("metrics.jsonl"), *state.rglob("metrics.jsonl")]:
        lines = path.read_text().splitlines()
        episodes += max((int(_json(line).get("episodes", 0)) for line in lines[-20:]), default=0)
    return samples, episodes


def _json(text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def describe(run: SnakemakeRun, now: float, study: str = "") -> str:
    """The jobs of a run by state; of those at work, waiting in SLURM or failed, the last words of their
    logs."""
    jobs = list(run.jobs.values())
    total = run.counts.get("total", len(jobs))
    of = {
        state: [job for job in jobs if job.state == state] for state in ("running", "done", "failed", "lost")
    }
    slurm = queue(of["running"])
    queued = [job for job in of["running"] if slurm.get(job.slurm, "").startswith("PENDING")]
    running = [job for job in of["running"] if job not in queued]
    parts = {
        "running": running,
        "in SLURM's queue": queued,
        "failed": of["failed"],
        "ended with the run": of["lost"],
    }
    waiting = total - len(jobs)
    head = f"{study + ': ' if study else ''}{'at work' if of['running'] else 'no job at work'}"
    told = ", ".join(
        f"{len(some)} {name}" for name, some in parts.items() if some or name in {"running", "failed"}
    )
    lines = [f"{head}; {len(of['done'])} of {total} jobs done, {told}, {max(0, waiting)} waiting for others"]
    for job in sorted(running, key=lambda job: job.started):
        took = seconds(job, now)
        _, longer = planned_on(job.rule, job.resources)
        left = max(0, longer * job.resources.get("expected", 0) - took)
        state = f", SLURM {job.slurm} {slurm.get(job.slurm, '')}".rstrip() if job.slurm else ""
        lines.append(
            f"  running  {job.rule} ({job.wildcards}){state}, {duration(took)}, about {duration(left)} left"
        )
        if said := last_line(job.log):
            lines.append(f"           {said}")
    for job in queued:
        lines.append(f"  queued   {job.rule} ({job.wildcards}), SLURM {job.slurm} {slurm[job.slurm]}")
    lines += [f"  alarm    {told}" for told in alarms(run)]
    return "\n".join([*lines, *(f"  failed   {told}" for told in failures(run))])


def main(study: tyro.conf.Positional[str] = "") -> None:
    """Tell how the newest run in this folder is doing.

    Args:
        study: Only its report's state is told beside the run's; the run may serve several.
    """
    runs = [run for run in read_runs(working=owner() is not None) if run.jobs]
    if not runs:
        raise UserError("nothing has run in this folder yet; start with make run")
    now = time.time()
    print(describe(runs[-1], now, study))
    at_work = [job for job in runs[-1].jobs.values() if job.state == "running"]
    samples, episodes = done(Path("results"), Path("state"), at_work)
    print(f"{samples:,} samples and {episodes:,} PPO episodes so far")
    if study:
        report = Path("results/reports") / study / "report.html"
        print(f"report: {report}" if report.exists() else f"report: {report} is not made yet")
    print(f"\n{ledger.table(ledger.makings(runs), now)}")


if __name__ == "__main__":
    cli(main)
