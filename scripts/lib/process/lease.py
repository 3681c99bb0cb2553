"""Who may write what several starts of one step share: a training's state, a step's part of the store.

A node that SLURM takes for dead may work on, a submission whose answer was lost may be a job that nobody
waits for, two clones may share a store, and a person may start a command twice. Every start keeps a file of
its own in a folder and renews its time; the starts there stand in a line, in the order in which they came. Of
two of one job the newer start that SLURM knows goes on and the older one ends; of any others the later one
waits. No locks are needed, which some file systems of clusters lack.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.process.linux import Process, silence

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


@dataclass(frozen=True)
class Start(Process):
    """A start of a step. `run` and `makes`: whose, and what it writes; `job`, `restart`: SLURM's numbers, 0
    without it."""

    run: str
    makes: str
    job: int
    restart: int

    @classmethod
    def of(cls, makes: str) -> "Start":
        """This process, which makes the file or folder `makes`."""
        run, job = os.environ.get(RUN, ""), int(os.environ.get("SLURM_JOB_ID", 0))
        return cls(**asdict(Process.this()), run=run, makes=makes, job=job, restart=_restart())

    def replaces(self, other: "Start") -> bool:
        """Whether SLURM has started this one after the other, for the same result of the same run."""
        same = (self.run, self.makes) == (other.run, other.makes)
        return same and other.job > 0 and (self.job, self.restart) > (other.job, other.restart)

    def sees_alive(self, other: "Start", file: Path) -> bool:
        """Whether another start, whose file this is, works still."""
        if other == self or not other.lives(file, SILENCE):  # itself: what it was before it began anew
            return False
        return not self.replaces(other) or silence(file) < SUPERSEDED

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


class Line:
    """The starts that share `folder`, in the order in which they came, and this one's place among them.

    A place is taken as in Lamport's bakery: who is about to take one says so, then takes one behind all that
    he sees; of two that took one at once the name decides. So any two agree on who comes first.
    """

    def __init__(self, folder: Path, makes: Path, leave: Callable[[Path], None]):
        """`makes`: what this start writes. Where it has to end, `leave` is called from a thread, with the
        file of this start."""
        self.folder, self.leave = folder, leave
        self.me = Start.of(str(makes))
        self.own = folder / f"{uuid.uuid4().hex}.json"
        self.place = (0, "")
        self.alone = False
        """Whether nobody may work ahead of this start, which ends where somebody does."""
        self._over = threading.Event()
        self._told = ""

    def __enter__(self) -> Self:
        self._take(0)
        self._take(1 + max((place for place, _, _ in self._others()), default=(0, ""))[0])
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        _remove(self.own)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def ahead(self) -> list[tuple[Path, Start]]:
        """The living starts that came earlier, or may have, with their files. Raises UserError where SLURM
        has started a newer one in this one's place."""
        others = self._others()
        if newer := next((start for _, _, start in others if start.replaces(self.me)), None):
            raise UserError(f"{newer}, has taken over what this start works on; this one ends")
        return [(path, start) for place, path, start in others if place < self.place]

    def tell(self, others: list[tuple[Path, Start]], does: str) -> None:
        """Say whom this start waits for, once, and what that one `does`."""
        _, first = others[0]
        if self._told != (said := f"waiting for {first}, which {does}; it works in {self.folder.parent}"):
            self._told = said
            print(said, file=sys.stderr, flush=True)

    def _take(self, number: int) -> None:
        self.place = (number, self.own.name)
        write_json({"number": number, "start": asdict(self.me)}, self.own)

    def _others(self) -> list[tuple[tuple[int, str], Path, Start]]:
        """The other living starts, with places and files; the files of dead ones are removed."""
        found = []
        for path in self.folder.glob("*.json"):
            if path == self.own:
                continue
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                place, start = (int(told["number"]), path.name), Start(**told["start"])
            except (OSError, ValueError, TypeError, KeyError):
                continue
            if self.me.sees_alive(start, path):
                found.append((place, path, start))
            else:
                _remove(path)
        return found

    def _renew(self) -> None:
        """Give signs of life until it is over, or another start goes on in this one's place."""
        while not self._over.wait(BEAT):
            alone = self.alone  # as it was before looking: whoever is given up meanwhile is no reason to end
            try:
                os.utime(self.own)
                others = self._others()
            except FileNotFoundError:
                if self._over.is_set():
                    return
                reason = "this start gave no sign of life for too long, and another has gone on"
            except OSError:
                continue  # a file system that is away: so it is for the others
            else:
                instead = [
                    start
                    for place, _, start in others
                    if start.replaces(self.me) or alone and place[0] and place < self.place
                ]
                if not instead:
                    continue
                reason = f"{instead[0]}, has taken over what this start works on"
            print(f"error: {reason}; this one ends", file=sys.stderr, flush=True)
            self.leave(self.own)
            return


def _remove(file: Path) -> None:
    """Remove a start's file, and what it has put beside it under the same name."""
    for path in [file, *file.parent.glob(f"{file.stem}.*")]:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def lease(folder: Path, makes: Path, leave: Callable[[Path], None]) -> Iterator[None]:
    """Be the only start at work under `folder` while the block lasts; waits for another's end, and says so.

    Raises UserError where SLURM has started a newer one. Where one comes later, `leave` is called from a
    thread, with the file of this start.
    """
    with Line(folder, makes, leave) as line:
        while others := line.ahead():
            line.tell(others, "makes the same")
            time.sleep(min(1.0, BEAT))
        line.alone = True
        yield
