"""Run Snakemake safely: one run at a time here, and nothing left over from one that was killed.

Usage: python -m scripts.commands.run [--max-gpu-hours H] [--max-dollars D] [any flag or target of Snakemake's
(snakemake --help)]. After a SIGKILL, a power cut or a closed terminal, the same call ends what the dead run
left working here, goes on with its jobs in SLURM, and lifts Snakemake's lock. SIGUSR1 has it end so at once,
with code 75 (profiles/slurm/driver.sh). With a budget, or on SLURM, it plans first and starts nothing that
could not end well.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.launch import forkserver
from scripts.lib.errors import UserError
from scripts.lib.process.linux import alive
from scripts.lib.runs import ledger, slurm
from scripts.lib.runs.lock import MARK, RUN, folder_id, hold
from scripts.lib.runs.room import require_room
from scripts.lib.runs.snakemake_log import LOGS, alarms, failures, read_log, read_runs
from scripts.lib.runs.usage import told_usage

AGAIN = os.EX_TEMPFAIL
"""The exit code of a run that has left its jobs to the next one."""
PATIENCE = 60
"""Seconds that left-over jobs get to save their work before they are killed."""
TAKEN_BACK = "although it existed before"
"""What Snakemake ends with where a file goes while it looks at it: a job that an earlier run has left, and
that is preempted, takes back what it has made."""


def leftovers(run: str) -> list[int]:
    """Processes that outlived an earlier run in the folder with this id, by their environment; SLURM ends its
    own."""
    wanted = f"{RUN}={run}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            marked = wanted in environment and not any(
                item.startswith(b"SLURM_JOB_ID=") for item in environment
            )
        except OSError:
            continue
        if marked and alive(int(process.name)) and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def end(processes: list[int], run: str) -> None:
    """Ask processes to stop, wait for them to save, then kill what is left."""
    for number in processes:
        _send(number, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while leftovers(run) and time.monotonic() < deadline:
        time.sleep(0.2)
    for number in leftovers(run):
        _send(number, signal.SIGKILL)


def _send(number: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, what)


def settle_clock(folders: Iterable[str] = ("results", "data", "config"), slack: float = 60) -> int:
    """Date files of the future now; returns how many. A clock that was ahead has left them.

    Snakemake fails every job whose input is newer than what the job has just written.
    """
    now, count = time.time(), 0
    for path in (path for folder in folders for path in Path(folder).rglob("*")):
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime > now + slack:
                os.utime(path, (now, now), follow_symlinks=False)
                count += 1
    return count


def clear() -> None:
    """End what a dead run in this folder left here: processes, Snakemake's lock. (Of what it left in SLURM
    the next one goes on with what it can, before its first job: scripts/lib/runs/plugin.py.)"""
    run = folder_id()
    if dead := leftovers(run):
        print(f"ending {len(dead)} processes that a killed run left working", flush=True)
        end(dead, run)
    if count := settle_clock():
        print(f"{count} files were dated in the future, by a clock that was wrong: dated now", flush=True)
    if any(Path(".snakemake/locks").glob("*")):
        unlock = [sys.executable, "-m", "snakemake", "--unlock"]
        subprocess.run(unlock, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def last_words(before: set[Path]) -> list[str]:
    """What to end on, of the run that wrote a log since `before`: what it cost against the plan,
    then what went wrong in its jobs, what failed and why."""
    if not set(LOGS.glob("*")) - before:
        return []
    runs = read_runs(working=False)
    mine = {id(attempt) for attempt in runs[-1].attempts}
    made = [each for each in ledger.makings(runs) if id(each.last) in mine]
    cost = [ledger.summary(made, time.time())] if made else []
    rang = [f"alarm: {told}" for told in alarms(runs[-1])]
    return cost + rang + [f"failed: {told}" for told in failures(runs[-1])]


def main(arguments: list[str]) -> int:
    """Be the run of this folder, and return Snakemake's exit code."""
    if told_usage(arguments, __doc__):
        return 0
    try:
        require_room()
        with hold():
            return work(arguments, str(Path.cwd()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def work(arguments: list[str], folder: str) -> int:
    """Clear what a dead run left, plan, run Snakemake beside a fork server, return its exit code. Raises
    UserError where the folder is full, also at the end: Snakemake's own words for that are many."""
    from scripts.commands.plan import budgets, checked

    budget, rest = budgets(arguments)
    if on_slurm := slurm.is_slurm(rest):
        slurm.require()
        slurm.partitions()
    checked(rest)
    clear()
    if (budget or on_slurm) and (code := plan(arguments)):
        return code
    before, environment = set(LOGS.glob("*")), os.environ | {MARK: folder}
    server: contextlib.AbstractContextManager[dict[str, str]] = (
        contextlib.nullcontext({}) if on_slurm else forkserver.beside(environment)
    )
    told: list[int] = []
    with server as more:
        code = snakemake(rest, environment | more, told)
        if code and not told and taken_back(before):
            say_again()
            code = snakemake(rest, environment | more, told)
    if signal.SIGUSR1 in told:
        print("this run ends; its SLURM jobs go on, and the next one here goes on with them", flush=True)
        return AGAIN
    for line in last_words(before):
        print(line, flush=True)
    if code:
        require_room()
    return code


def plan(arguments: list[str]) -> int:
    """Plan in a process of its own, twice where a file is taken back meanwhile; returns the exit code."""
    command = [sys.executable, "-m", "scripts.commands.plan", *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode and TAKEN_BACK in done.stderr:
        say_again()
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    return done.returncode


def snakemake(arguments: list[str], environment: Mapping[str, str], told: list[int]) -> int:
    """Run Snakemake and pass on the signals that come, which are added to `told`; returns its exit code.

    At SIGUSR1 it ends where it is: told to end in any other way it would cancel its jobs.
    """
    child = subprocess.Popen([sys.executable, "-m", "snakemake", *arguments], env=environment)

    def end(number: int, _: object) -> None:
        told.append(number)
        child.send_signal(signal.SIGKILL if number == signal.SIGUSR1 else signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, end)
    return child.wait()


def taken_back(before: set[Path]) -> bool:
    """Whether the run that has written a log since `before` ended before its first job because a file went
    while it looked at it."""
    new = max(set(LOGS.glob("*")) - before, default=None)
    text = new.read_text(encoding="utf-8", errors="replace") if new else ""
    return TAKEN_BACK in text and not read_log(text).attempts


def say_again() -> None:
    """One line about a second start."""
    print("a job of an earlier run took a file back that was looked at: starting again", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
