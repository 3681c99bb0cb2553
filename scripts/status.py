"""How the run in this folder is doing: jobs by state, samples and episodes done, work left, what failed and why.

Usage: python -m scripts.status [STUDY]. Reads the log of the newest run, the steps' own logs and what they have written; for a
run on SLURM it also asks the queue. Changes nothing.
"""

import fcntl
import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import tyro

from scripts.lib.cluster import ask
from scripts.lib.errors import UserError, cli

CLOCK = re.compile(r"^\[(\w{3} \w{3} +\d+ [\d:]{8} \d{4})\]$")


@dataclass
class Job:
    """One job of a run: `state` is waiting, running, done or failed."""

    rule: str
    state: str = "running"
    log: str = ""
    wildcards: str = ""
    slurm: str = ""
    started: float = 0
    expected: float = 0


@dataclass
class Run:
    """What the log of a run says."""

    jobs: dict[str, Job] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def read_log(text: str) -> Run:
    """The jobs that a Snakemake log speaks of, by their number, and the jobs planned by rule."""
    run, now, job, listing = Run(), 0.0, None, False
    for line in text.splitlines():
        if found := CLOCK.match(line):
            now, job = datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y").timestamp(), None
        elif line.startswith("Job stats:"):
            run.counts, listing = {}, True
        elif listing and (found := re.match(r"(\w+) +(\d+)$", line)):
            run.counts[found[1]] = int(found[2])
            listing = found[1] != "total"
        elif found := re.match(r"(?:local)?(?:rule|checkpoint) (\w+):$", line):
            job = Job(found[1], started=now)
        elif job and (found := re.match(r"    (log|jobid|wildcards|resources): (.*)$", line)):
            key, value = found.groups()
            if key == "jobid":
                run.jobs[value] = job
            elif key == "resources":
                job.expected = float((re.search(r"\bexpected=(\d+)", value) or [0, 0])[1])
            else:
                setattr(job, key, value.split(" (")[0])
        elif found := re.match(r"Job (\d+) has been submitted with SLURM jobid (\d+)", line):
            if found[1] in run.jobs:
                run.jobs[found[1]].slurm = found[2]
        elif found := re.match(r"Finished jobid: (\d+)", line):
            run.jobs.setdefault(found[1], Job("?")).state = "done"
        elif found := re.match(r"Error in rule (\w+):$", line):
            job = Job(found[1], "failed", started=now)
    return run


def queue(jobs: list[Job]) -> dict[str, str]:
    """SLURM's state of jobs by number; empty where SLURM does not answer."""
    numbers = ",".join(job.slurm for job in jobs if job.slurm)
    if not numbers:
        return {}
    try:
        text = ask("squeue", "-h", "-t", "all", "-j", numbers, "-o", "%i %T %r")
    except (UserError, OSError):
        return {}
    return {number: f"{state} ({reason})" if reason != "None" else state
            for number, state, reason in (line.split(" ", 2) for line in text.splitlines())}  # fmt: skip


def last_line(path: str) -> str:
    """The last line of a file that says something; empty without one."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, Path(path).stat().st_size - 4000))
            lines = [
                line.strip() for line in file.read().decode(errors="replace").replace("\r", "\n").splitlines()
            ]
    except OSError:
        return ""
    return next((line[:160] for line in reversed(lines) if line and not set(line) <= set("=-")), "")


def done(folder: Path) -> tuple[int, int]:
    """Completions that stand in ledgers under `folder`, and PPO episodes in training logs."""
    samples = episodes = 0
    for path in folder.rglob("ledger.json"):
        samples += int(_json(path.read_text()).get("requested", 0))
    for path in folder.rglob("metrics.jsonl"):
        lines = path.read_text().splitlines()
        episodes += max((int(_json(line).get("episodes", 0)) for line in lines[-20:]), default=0)
    return samples, episodes


def _json(text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def alive(lock: Path) -> bool:
    """Whether a run holds this folder's lock."""
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def describe(run: Run, working: bool, now: float, study: str = "") -> str:
    """The report, as text."""
    jobs = list(run.jobs.values())
    total = run.counts.get("total", len(jobs))
    of = {state: [job for job in jobs if job.state == state] for state in ("running", "done", "failed")}
    if not working:
        of["running"] = []
    waiting = max(0, total - len(of["done"]) - len(of["running"]) - len(of["failed"]))
    slurm = queue(of["running"])
    head = f"{study + ': ' if study else ''}{'at work' if working else 'no run at work'}"
    lines = [
        f"{head}; {len(of['done'])} of {total} jobs done, {len(of['running'])} running, {waiting} waiting, "
        f"{len(of['failed'])} failed"
    ]
    for job in sorted(of["running"], key=lambda job: job.started):
        minutes = (now - job.started) / 60
        left = max(0, job.expected / 60 - minutes)
        state = f", SLURM {job.slurm} {slurm.get(job.slurm, '')}".rstrip() if job.slurm else ""
        lines.append(
            f"  running  {job.rule} ({job.wildcards}){state}, {minutes:.0f} min, about {left:.0f} left"
        )
        if said := last_line(job.log):
            lines.append(f"           {said}")
    for job in of["failed"]:
        lines.append(f"  failed   {job.rule} {job.log}: {last_line(job.log) or 'no word in its log'}")
    return "\n".join(lines)


def main(study: tyro.conf.Positional[str] = "") -> None:
    """Tell how the newest run in this folder is doing.

    Args:
        study: Only its report's state is told beside the run's; the run may serve several.
    """
    logs = sorted(Path(".snakemake/log").glob("*.snakemake.log"), key=lambda path: path.stat().st_mtime)
    if not logs:
        raise UserError("nothing has run in this folder yet; start with make run")
    working = alive(Path(".snakemake/redistill.lock"))
    print(describe(read_log(logs[-1].read_text(errors="replace")), working, time.time(), study))
    samples, episodes = done(Path("results"))
    print(f"{samples:,} samples and {episodes:,} PPO episodes stand in results/")
    if study:
        report = Path("results/reports") / study / "report.html"
        print(f"report: {report}" if report.exists() else f"report: {report} is not made yet")


if __name__ == "__main__":
    cli(main)
