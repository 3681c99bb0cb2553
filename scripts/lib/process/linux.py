"""What Linux tells and does about processes and the files by which they give signs of life."""

import ctypes
import os
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG."""


def die_with_parent(how: signal.Signals) -> None:
    """Have the system send this signal when the parent dies; exit at once when it is dead already."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, how)
    if os.getppid() != parent:
        raise SystemExit(128 + how)


def alive(number: int) -> bool:
    """Whether there is such a process and it has not ended: a zombie has."""
    return started(number) is not None


def started(number: int) -> int | None:
    """When a living process began, in clock ticks since the machine did; None of one that is no more."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
        state, *rest = stat.rsplit(")", 1)[1].split()
        return None if state == "Z" else int(rest[18])
    except (OSError, IndexError, ValueError):
        return None


def silence(path: Path) -> float:
    """Seconds since a file's time, by the clock of the file system that both are on; 0 where it is away."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as now:
            return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0


def leads_here(path: str | Path) -> bool:
    """Whether a path leads to this process's working folder, which may have been moved since."""
    try:
        return Path(path).samefile(".")
    except OSError:
        return False


@dataclass(frozen=True)
class Process:
    """A process of some machine. `began`: its machine's count when it began, which no later process of its
    number has."""

    host: str
    pid: int
    began: int
    since: str = field(compare=False)

    @classmethod
    def this(cls) -> Self:
        return cls(
            socket.gethostname(), os.getpid(), started(os.getpid()) or 0, time.strftime("%Y-%m-%d %H:%M:%S")
        )

    @property
    def here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == socket.gethostname()

    def lives(self, file: Path, patience: float) -> bool:
        """Whether it works still: its own machine knows; from another one, whether the file that it renews
        has been silent for less than so many seconds."""
        return started(self.pid) == self.began if self.here else silence(file) < patience

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"
