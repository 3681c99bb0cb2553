"""Run Snakemake safely: one run at a time here, and nothing left over from one that was killed.

Usage: python -m scripts.run [any Snakemake flag or target]. After a SIGKILL, a power cut or a closed terminal, the same
call ends what the dead run left working, lifts Snakemake's lock and goes on.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "REDISTILL_RUN"
PATIENCE = 60
"""Seconds that left-over jobs get to save their work before they are killed."""


def leftovers(folder: str) -> list[int]:
    """Processes of an earlier run in `folder` that outlived it, by the mark in their environment."""
    wanted = f"{MARK}={folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = wanted in (process / "environ").read_bytes().split(b"\0")
            alive = "Z" not in (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            continue
        if marked and alive and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def end(processes: list[int], folder: str) -> None:
    """Ask processes to stop, wait for them to save, then kill what is left."""
    for number in processes:
        _send(number, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while leftovers(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    for number in leftovers(folder):
        _send(number, signal.SIGKILL)


def _send(number: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, what)


def main(arguments: list[str]) -> int:
    """Take the run lock of this folder, clear what a dead run left, run Snakemake, return its exit code."""
    folder = str(Path.cwd())
    snakemake = [sys.executable, "-m", "snakemake"]
    Path(".snakemake").mkdir(exist_ok=True)
    with Path(".snakemake/redistill.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"error: another run is at work in {folder}; wait for it to end, or stop it", file=sys.stderr
            )
            return 2
        if dead := leftovers(folder):
            print(f"ending {len(dead)} processes that a killed run left working")
            end(dead, folder)
        if any(Path(".snakemake/locks").glob("*")):
            subprocess.run(
                [*snakemake, "--unlock"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
        child = subprocess.Popen([*snakemake, *arguments], env=os.environ | {MARK: folder})
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
        return child.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
