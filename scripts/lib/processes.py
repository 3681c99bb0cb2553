"""What Linux offers between a process and its parent."""

import ctypes
import os
import signal

_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG."""


def die_with_parent(how: signal.Signals) -> None:
    """Have the system send this signal when the parent dies; exit at once when it is dead already."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, how)
    if os.getppid() != parent:
        raise SystemExit(128 + how)
