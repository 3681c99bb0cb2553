"""Who may write what several starts of one step share: a training's state, a step's part of the store.

A node that SLURM takes for dead may work on, a submission whose answer was lost may be a job that nobody
waits for, two clones may share a store, and a person may start a command twice. Every start keeps a file of
its own in the lease's folder and renews its time. One is at work; of two of one job the newer start that
SLURM knows goes on and the older one ends; of any others the later one waits. No locks are needed, which
some file systems of clusters lack.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.process.linux import silence, started

RUN = "REDISTILL_FOLDER"
"""The environment variable that names the folder whose run has started a step (scripts/lib/runs/lock.py)."""
RESTART = "REDISTILL_RESTART"
"""The one that names the start of a SLURM job: its number, a colon, and how often it was requeued."""
BEAT = 5.0
"""Seconds between two signs of life."""
SILENCE = 120.0
"""Seconds without one after which a start on another machine counts as dead."""
SUPERSEDED = 20.0
"""The same for a start that SLURM itself has replaced by this one, wherever it is: it may hang."""
WAITING, WORKING = "waiting-", "working-"


@dataclass(frozen=True)
class Start:
    """A start of a step. `run` and `makes`: whose, and what it writes; `job`, `restart`: SLURM's numbers, 0
    without it. `began`: its machine's count at its begin, which no later process of its number has."""

    run: str
    makes: str
    host: str
    pid: int
    began: int
    since: str
    job: int
    restart: int

    @classmethod
    def this(cls, makes: str) -> "Start":
        """This process, which makes the file or folder `makes`."""
        told = os.environ.get
        return cls(
            told(RUN, ""),
            makes,
            socket.gethostname(),
            os.getpid(),
            started(os.getpid()) or 0,
            time.strftime("%Y-%m-%d %H:%M:%S"),
            int(told("SLURM_JOB_ID", 0)),
            _restart(),
        )

    def replaces(self, other: "Start") -> bool:
        """Whether SLURM has started this one after the other, for the same result of the same run."""
        same = (self.run, self.makes) == (other.run, other.makes)
        return same and other.job > 0 and (self.job, self.restart) > (other.job, other.restart)

    def sees_alive(self, other: "Start", file: Path) -> bool:
        """Whether another start works still, as far as its machine, or the time of its file, tells."""
        if other.host == self.host:
            if started(other.pid) != other.began or (other.pid, other.began) == (self.pid, self.began):
                return False
            if not self.replaces(other):
                return True
        return silence(file) < (SUPERSEDED if self.replaces(other) else SILENCE)

    def __str__(self) -> str:
        job = f"SLURM job {self.job}, start {self.restart + 1}" if self.job else f"process {self.pid}"
        return f"{job}, on {self.host} since {self.since}"


def remember_restart() -> None:
    """Tell what this process starts how often its job was requeued: the srun of Snakemake's plugin, of steps,
    takes SLURM's own word for it away."""
    job, restart = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_RESTART_COUNT")
    if job and restart:
        os.environ[RESTART] = f"{job}:{restart}"


def _restart() -> int:
    """How often this process's job was requeued; what was remembered of another job, as of the one that a
    run's driver is in, does not count."""
    job, restart = os.environ.get(RESTART, ":").split(":")
    remembered = restart if job and job == os.environ.get("SLURM_JOB_ID") else 0
    return int(os.environ.get("SLURM_RESTART_COUNT", remembered))


def leave_at_once(own: Path) -> None:
    """End this process where it is: another one goes on from what it has saved."""
    own.unlink(missing_ok=True)
    os._exit(2)


def leave_in_order(own: Path) -> None:
    """Have this process store what it has, and end: nobody else is disturbed by that."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def lease(folder: Path, makes: Path, leave: Callable[[Path], None]) -> Iterator[None]:
    """Be the only start at work under `folder` while the block lasts; waits for another's end, and says so.

    Raises UserError where SLURM has started a newer one. Where one comes later, `leave` is called from a
    thread, with the file of this start.
    """
    me = Start.this(str(makes))
    own = folder / f"{WAITING}{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
    write_json(asdict(me), own)
    over = threading.Event()
    try:
        _wait(folder, own, me)
        own = own.rename(own.with_name(WORKING + _turn(own)))
        threading.Thread(target=_renew, args=(folder, own, me, leave, over), daemon=True).start()
        yield
    finally:
        over.set()
        own.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _wait(folder: Path, own: Path, me: Start) -> None:
    """Return when nobody is at work and none of those who wait came earlier."""
    told = ""
    while True:
        with contextlib.suppress(FileNotFoundError):
            os.utime(own)
        others = _others(folder, own, me)
        if newer := next((start for _, start in others if start.replaces(me)), None):
            raise UserError(f"{newer}, has taken over what this start works on; this one ends")
        first = [start for path, start in others if path.name.startswith(WORKING) or _turn(path) < _turn(own)]
        if not first:
            return
        if told != str(first[0]):
            told = str(first[0])
            print(f"waiting for {told}, which makes the same; it works in {folder.parent}", file=sys.stderr)
        time.sleep(min(1.0, BEAT))


def _renew(folder: Path, own: Path, me: Start, leave: Callable[[Path], None], over: threading.Event) -> None:
    """Give signs of life until the block is over, or another start goes on in this one's place."""
    while not over.wait(BEAT):
        try:
            os.utime(own)
            others = _others(folder, own, me)
        except FileNotFoundError:
            others = []
            if over.is_set():
                return
            reason = "this start gave no sign of life for too long, and another has gone on"
        except OSError:
            continue  # a file system that is away: so it is for the others
        else:
            ahead = [
                start
                for path, start in others
                if start.replaces(me) or path.name.startswith(WORKING) and _turn(path) < _turn(own)
            ]
            if not ahead:
                continue
            reason = f"{ahead[0]}, has taken over what this start works on"
        print(f"error: {reason}; this one ends", file=sys.stderr, flush=True)
        leave(own)
        return


def _others(folder: Path, own: Path, me: Start) -> list[tuple[Path, Start]]:
    """The other living starts, with their files; the files of dead ones are removed."""
    found = []
    for path in [*folder.glob(f"{WAITING}*.json"), *folder.glob(f"{WORKING}*.json")]:
        if _turn(path) == _turn(own):
            continue
        try:
            start = Start(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if me.sees_alive(start, path):
            found.append((path, start))
        else:
            path.unlink(missing_ok=True)
    return found


def _turn(path: Path) -> str:
    """The part of a file's name by which starts come after each other."""
    return path.name.removeprefix(WAITING).removeprefix(WORKING)
