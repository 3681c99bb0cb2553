"""Which completions are being sampled: of those that several starts want, one asks and the others wait.

Clones that share a store may want the same in part. Each start says which completions it lacks before it
samples any, in the partition's folder `claims`; of those it takes what no earlier start has claimed
(scripts/lib/process/lease.py), and waits for the rest.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scripts.lib.data.files import whole_file
from scripts.lib.errors import UserError
from scripts.lib.process.lease import Line, leave_in_order
from scripts.lib.samples.requests import Requests

LOOK = 30.0
"""Seconds after which the store is looked at again for what others are sampling."""


class Claim:
    """What one start has claimed."""

    def __init__(self, line: Line):
        self._line = line

    def free(self, requests: Requests, which: np.ndarray) -> np.ndarray:
        """Those of `which` (bool [requests]) that no earlier start, which still works, has claimed."""
        found = which.copy()
        for path, _ in self._line.ahead():
            gone = contextlib.suppress(FileNotFoundError)  # it has just ended
            with gone, np.load(path.with_suffix(".npz")) as claimed:
                requests.leave_out(found, claimed)
        return found

    def wait(self) -> None:
        """Return when one of the earlier starts has ended, or some of what they sample may be stored."""
        before, until = self._line.ahead(), time.monotonic() + LOOK
        while before and time.monotonic() < until:
            self._line.tell(before, "samples some of the same")
            time.sleep(1)
            if len(now := self._line.ahead()) < len(before):
                return
            before = now


@contextlib.contextmanager
def claim(folder: Path, makes: Path, requests: Requests, which: np.ndarray) -> Iterator[Claim]:
    """Claim `which` of the requests (bool [requests]) to the partition in `folder` while the block lasts;
    `makes`: what this start writes.

    Raises UserError where the partition is not to be written to, and where SLURM has started a newer one in
    its place; where one comes later, this one is told to store what it has and to end.
    """
    line = Line(folder / "claims", makes, leave_in_order)
    try:
        with whole_file(line.own.with_suffix(".npz")) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **requests.claimed(which))
    except PermissionError:
        raise UserError(
            f"{folder} is somebody else's, and not to be written to: who shares a store sets umask 002 "
            "before the first run (in site.sh) and does chmod g+rws on its folder; or set store to another"
        ) from None
    with line:
        yield Claim(line)
