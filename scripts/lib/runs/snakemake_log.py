"""What Snakemake's logs say of the runs in a folder: every attempt at every job, with what it asked for when
it started."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from scripts.lib.errors import visible
from scripts.lib.process.alarms import MARK
from scripts.lib.process.cli import USED

LOGS = Path(".snakemake/log")
CLOCK = re.compile(r"^\[(\w{3} \w{3} +\d+ [\d:]{8} \d{4})\]$")
HELD = re.compile(r"SLURM job (\d+) held (?:(\d+)|an unknown number of) s: (.*)$")
"""What scripts/lib/runs/attempts.py says of a job that has ended."""
TROUBLE = re.compile(
    r"(?:srun|sbatch|slurmstepd\S*|/bin/\S+|bash): |(?!Rule|Workflow)\w+(?:Error|Exception)\b"
)
"""Lines of SLURM's log of a job that tell why its step never began or could not end."""
DETAIL = re.compile(r"    (output|log|jobid|benchmark|wildcards|resources): (.*)$")


def key_of(rule: str, wildcards: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What all attempts at a job have in common: its rule and its wildcards, sorted."""
    return rule, *sorted(f"{name}={value}" for name, value in wildcards)


@dataclass
class Attempt:
    """One start of a job. `state`: running, done, failed; lost where its run was killed. Times in seconds
    since 1970.

    On SLURM `started` is the submission, `held` the seconds that SLURM says and `why` the reason why it
    ended. `message` is what Snakemake said of its failure. `resources` are Snakemake's, as numbers (gpu,
    at_most, expected, tokens, cents, ...).
    """

    rule: str
    state: str = "running"
    started: float = 0
    ended: float = 0
    output: str = ""
    log: str = ""
    benchmark: str = ""
    wildcards: str = ""
    slurm: str = ""
    slurm_log: str = ""
    held: float | None = None
    why: str = ""
    message: str = ""
    resources: dict[str, float] = field(default_factory=dict)

    @property
    def job(self) -> tuple[str, ...]:
        """What all attempts at one job have in common, in any run: `key_of`."""
        return self.rule, *sorted(filter(None, self.wildcards.split(", ")))


@dataclass
class SnakemakeRun:
    """One call of Snakemake: attempts in the order of their start, the last one of each job by number,
    jobs planned by rule."""

    attempts: list[Attempt] = field(default_factory=list)
    jobs: dict[str, Attempt] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Numbers of the jobs that went to SLURM as one, by the name of their group."""
    counts: dict[str, int] = field(default_factory=dict)


def read_log(text: str) -> SnakemakeRun:
    """The run that a Snakemake log tells of."""
    run, now, attempt, listing, failed, said = SnakemakeRun(), 0.0, None, False, False, ""
    submitted: dict[str, list[Attempt]] = {}
    for line in _own_lines(text):
        if found := CLOCK.match(line):
            now, attempt, failed, said = _seconds(found[1]), None, False, ""
        elif line.startswith("Job stats:"):
            run.counts, listing = {}, True
        elif listing and (found := re.match(r"(\w+) +(\d+)$", line)):
            run.counts[found[1]] = int(found[2])
            listing = found[1] != "total"
        elif found := re.match(r"(?:local)?(?:rule|checkpoint) (\w+):$", line):
            attempt = Attempt(found[1], started=now, ended=now)
        elif re.match(r"Error in rule |    message: Error in group ", line):
            failed = True
        elif failed and (found := re.match(r"    message: (.*)", line)):
            said = found[1]
        elif failed and (found := re.match(r"(?:    |            )jobid: (\d+)", line)):
            _close(run, found[1], "failed", now)
            if found[1] in run.jobs:
                run.jobs[found[1]].message = said
        elif attempt and (found := DETAIL.match(line)):
            _detail(run, attempt, *found.groups())
        elif found := re.match(r"Group (\S+) holds jobs (.*)\.$", line):
            run.groups[found[1]] = found[2].split(", ")
        elif found := re.match(r"Job (\S+) has been submitted with SLURM jobid (\d+) \(log: (.*)\)", line):
            numbers = run.groups.get(found[1], [found[1]])
            submitted[found[2]] = [run.jobs[number] for number in numbers if number in run.jobs]
            for each in submitted[found[2]]:
                each.slurm, each.slurm_log = found[2], found[3]
        elif (found := HELD.match(line)) and found[1] in submitted:
            for each in submitted[found[1]]:
                each.held = float(found[2]) / len(submitted[found[1]]) if found[2] else None
                each.why = found[3]
        elif found := re.match(r"Finished jobid: (\d+)", line):
            _close(run, found[1], "done", now)
    return run


def _own_lines(text: str) -> Iterator[str]:
    """The lines without the logs of failed jobs, which Snakemake copies in and which speak of jobs, too;
    those of a group's jobs, which it indents, as those of other jobs."""
    lines, grouped = iter(text.splitlines()), False
    for line in lines:
        if line.startswith("Logfile ") and line.endswith(":"):
            bar = next(lines, "")
            while bar and next(lines, bar) != bar:
                pass
            continue
        grouped = " Group job " in line if line[:1] == "[" else grouped and line[:1] in {"", " "}
        yield line.removeprefix("    ") if grouped else line


def _detail(run: SnakemakeRun, attempt: Attempt, key: str, value: str) -> None:
    if key == "jobid":
        run.jobs[value] = attempt
        run.attempts.append(attempt)
    elif key == "resources":
        attempt.resources = {
            name: float(number) for name, number in re.findall(r"\b(\w+)=([\d.]+)(?=,|$)", value)
        }
    else:
        setattr(attempt, key, value)


def _close(run: SnakemakeRun, number: str, state: str, now: float) -> None:
    attempt = run.jobs.get(number)
    if attempt and attempt.state == "running":
        attempt.state, attempt.ended = state, now


def _seconds(clock: str) -> float:
    return datetime.strptime(clock, "%a %b %d %H:%M:%S %Y").timestamp()


def read_runs(working: bool) -> list[SnakemakeRun]:
    """All runs in this folder, oldest first. What a run left running is lost, unless it is the newest and
    still `working`, or a later one has gone on with its SLURM job, and tells of it."""
    logs = sorted(LOGS.glob("*.snakemake.log"))
    runs = []
    for path in logs:
        runs.append(read_log(path.read_text(errors="replace")))
        for attempt in runs[-1].attempts:
            if attempt.state == "running" and not (working and path == logs[-1]):
                attempt.state, attempt.ended = "lost", max(path.stat().st_mtime, attempt.started)
    after: set[str] = set()
    for run in reversed(runs):
        run.attempts = [each for each in run.attempts if each.state != "lost" or each.slurm not in after]
        after |= {each.slurm for each in run.attempts if each.slurm}
    return runs


def seconds(attempt: Attempt, now: float) -> float:
    """How long an attempt ran or has run: as SLURM says, else without its time in the queue as far as SLURM's
    own log of it tells."""
    if attempt.held is not None:
        return attempt.held
    began = attempt.started
    if attempt.slurm:
        try:
            first = next(
                filter(
                    None, map(CLOCK.match, Path(attempt.slurm_log).read_text(encoding="utf-8").splitlines())
                )
            )
        except (OSError, StopIteration):
            return 0 if attempt.state == "running" else attempt.ended - began
        began = max(began, _seconds(first[1]))
    return max(0.0, (now if attempt.state == "running" else attempt.ended) - began)


def last_line(path: str) -> str:
    """The last line of a file that says something, an error whole, another's first 160 characters;
    empty without one."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, Path(path).stat().st_size - 4000))
            lines = [
                line.strip() for line in file.read().decode(errors="replace").replace("\r", "\n").splitlines()
            ]
    except OSError:
        return ""
    said = visible(next((line for line in reversed(lines) if line and not set(line) <= set("=-")), ""))
    return said if said.startswith("error: ") else said[:160]


def alarms(run: SnakemakeRun) -> list[str]:
    """What the jobs of a run have said that goes wrong: each alarm with its rule and the log it stands in."""
    return [
        f"{job.rule} {job.log}: {visible(line.removeprefix(MARK))}"
        for job in run.jobs.values()
        for line in _said(job.log)
        if line.startswith(MARK)
    ]


def _said(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def failures(run: SnakemakeRun) -> list[str]:
    """Of each job whose last attempt failed: its rule, where its log is, and why that attempt ended."""
    failed = [job for job in run.jobs.values() if job.state == "failed"]
    return [f"{job.rule} {job.log}: {reason(job)}" for job in failed if _at_fault(job, failed)]


def _at_fault(job: Attempt, failed: list[Attempt]) -> bool:
    """Whether it failed itself, and not only with its group: by what the group's own Snakemake says."""
    together = [other for other in failed if job.slurm and other.slurm == job.slurm]
    if len(together) < 2:
        return True
    try:
        said = Path(job.slurm_log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    named = [other for other in together if f"Error in rule {other.rule}:" in said]
    return job in named or not named


def reason(attempt: Attempt) -> str:
    """Why an attempt failed: the last words of its step's log, where it has written any; else what SLURM's
    log of it says, or Snakemake."""
    said = last_line(attempt.log) if _written_since(attempt.log, attempt.started) else ""
    if not said or USED.match(said):
        said = _trouble(attempt.slurm_log) or visible(attempt.message.split(". Detailed failure")[0])
    known = "" if attempt.why in {"", "an error"} else f"{attempt.why}; its last words: "
    return known + (said or "no word in its log")


def _written_since(path: str, then: float) -> bool:
    try:
        return Path(path).stat().st_mtime >= then
    except OSError:
        return False


def _trouble(path: str) -> str:
    """What SLURM's log of a job tells of trouble: the first words of the step's shell (of a site's set-up,
    which finds no module), between Snakemake's; else its last line of that kind; empty without any."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    before, failed, _ = text.partition("\nRuleException:\n")
    said = before.rpartition("\n    resources: ")[2].partition("\n")[2].strip() if failed else ""
    told = [" ".join(said.split("\n\n")[0].split())]
    if not said:
        told = [line.strip() for line in text.splitlines() if TROUBLE.match(line)]
    return visible(told[-1])[:300] if told else ""
