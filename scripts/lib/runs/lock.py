"""Which run works in a folder: one at a time, on whatever machine, and a dead one is told from a living one.

The file of the lock says who holds it. On its holder's machine the system knows whether that process lives;
elsewhere the file's time does, which the holder renews. A plain `snakemake` holds it as `make run` does.
"""

import atexit
import contextlib
import fcntl
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.lib.errors import UserError
from scripts.lib.process.linux import started

LOCK = Path(".snakemake/redistill.lock")
MARK = "REDISTILL_RUN"
"""The environment variable of everything that a run starts: the run's folder."""
BEAT = 20
"""Seconds between two signs of life."""
SILENCE = 300
"""Seconds without one after which a run of another machine counts as dead."""


@dataclass(frozen=True)
class Owner:
    """A process that works in a folder. `start`: its machine's count when it began, which no later process of
    its number has."""

    host: str
    pid: int
    start: int
    since: str

    @classmethod
    def this(cls) -> "Owner":
        return cls(
            socket.gethostname(), os.getpid(), started(os.getpid()) or 0, time.strftime("%Y-%m-%d %H:%M:%S")
        )

    @property
    def here(self) -> bool:
        return self.host == socket.gethostname()

    def lives(self, path: Path) -> bool:
        """Whether it works still; from another machine, as far as the lock's time tells."""
        return started(self.pid) == self.start if self.here else _silence(path) < SILENCE

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


def owner(path: Path = LOCK) -> Owner | None:
    """The run that works in this folder, None where there is none."""
    try:
        found = Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.lives(path) else None


@contextlib.contextmanager
def hold(path: Path = LOCK) -> Iterator[None]:
    """Be the run of this folder while the block lasts. Raises UserError, naming the other, when there is
    one."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        except OSError:
            free = True  # a file system without locks: what the file says has to do
        other = owner(path)
        if other or not free:
            silent = (
                f"; {SILENCE} s after its last sign of life it counts as dead"
                if other and not other.here
                else ""
            )
            raise UserError(
                f"another run is at work in {Path.cwd()} ({other or 'it does not say which'}); "
                f"wait for it to end, or stop it there{silent}"
            )
        file.truncate(0)
        file.write(json.dumps(asdict(Owner.this())))
        file.flush()
        done = _beat(path)
        try:
            yield
        finally:
            done.set()
            file.truncate(0)


def join(path: Path = LOCK) -> None:
    """As Snakemake: hold the lock until this process ends, and mark what it starts; or renew the lock of the
    run that started it, as long as either of them lives."""
    if os.environ.get(MARK) == str(Path.cwd()):
        _beat(path)
    else:
        os.environ[MARK] = str(Path.cwd())
        held = contextlib.ExitStack()
        held.enter_context(hold(path))
        atexit.register(held.close)


def _beat(path: Path) -> threading.Event:
    """Renew the lock's time until the event is set."""
    done, path = threading.Event(), path.absolute()

    def beat() -> None:
        while not done.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(path)

    threading.Thread(target=beat, daemon=True).start()
    return done


def _silence(path: Path) -> float:
    """Seconds since the lock's time, by the clock of the file system that both are on."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as now:
            return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0
