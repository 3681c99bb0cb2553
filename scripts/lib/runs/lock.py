"""Which run works in a folder: one at a time, on whatever machine, and a dead one is told from a living one.

The file of the lock says who holds it. On its holder's machine the system knows whether that process lives;
elsewhere the file's time does, which the holder renews. A plain `snakemake` holds it as `make run` does.
"""

import atexit
import contextlib
import fcntl
import json
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO

from scripts.lib.data.files import whole_file
from scripts.lib.errors import UserError
from scripts.lib.process.lease import RUN
from scripts.lib.process.linux import Process

LOCK = Path(".snakemake/redistill.lock")
ID = Path(".redistill-id")
MARK = "REDISTILL_RUN"
"""The environment variable of everything that a run starts: the run's folder."""
BEAT = 20
"""Seconds between two signs of life."""
SILENCE = 300
"""Seconds without one after which a run of another machine counts as dead."""


def owner(path: Path = LOCK) -> Process | None:
    """The run that works in this folder, None where there is none."""
    try:
        found = Process(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.lives(path, SILENCE) else None


@contextlib.contextmanager
def hold(path: Path = LOCK) -> Iterator[None]:
    """Be the run of this folder while the block lasts. Raises UserError, naming the other, when there is
    one."""
    with _open(path) as file:
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
        file.write(json.dumps(asdict(Process.this())))
        file.flush()
        os.environ[RUN] = folder_id()
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


def belong(path: Path = ID) -> None:
    """As a job: raise UserError where this folder is not its run's, but has come into that one's place."""
    if (run := os.environ.get(RUN)) and run != _read(path)[0]:
        raise UserError(
            f"{Path.cwd()} is not the folder that this job was submitted from, which has been moved; run "
            "again there"
        )


def folder_id(path: Path = ID) -> str:
    """By what the jobs of this folder's runs are known: it stays when the folder is moved, and a copy of the
    folder has another one, because the file names its own inode."""
    found, inode = _read(path)
    if found and inode == path.stat().st_ino:
        return found
    made = uuid.uuid4().hex[:12]
    with whole_file(path) as draft:
        draft.touch()
        draft.write_text(json.dumps({"id": made, "inode": draft.stat().st_ino}), encoding="utf-8")
    return made


def _read(path: Path) -> tuple[str, int]:
    """A folder's id, and the inode of the file that it was written to; "" and 0 where a file says neither."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["id"], found["inode"]
    except (OSError, ValueError, TypeError, KeyError):
        return "", 0


def _open(path: Path) -> IO[str]:
    """The lock's file. Raises UserError where it belongs to somebody else."""
    try:
        path.parent.mkdir(exist_ok=True)
        return path.open("a", encoding="utf-8")
    except PermissionError:
        whose = path if path.exists() else path.parent if path.parent.exists() else Path.cwd()
        raise UserError(
            f"{Path.cwd()} is {whose.owner()}'s, not yours to run in ({whose} is closed to you); work in a "
            "clone of your own, whose config may name the same store"
        ) from None


def _beat(path: Path) -> threading.Event:
    """Renew the lock's time until the event is set."""
    done, path = threading.Event(), path.absolute()

    def beat() -> None:
        while not done.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(path)

    threading.Thread(target=beat, daemon=True).start()
    return done
