"""Trainings that end when they are told to, once their state is saved, and start again with less when memory
runs out.

What a step needs to go on lies in its state folder; who starts it again is Snakemake, SLURM,
`scripts.launch.launch`, or itself.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.process.linux import die_with_parent
from scripts.lib.process.memory import Restart, out_of_memory

RESTART = 75
"""Exit code of a process of several that asks `scripts.launch.launch` to start all of them again
(EX_TEMPFAIL)."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopSignal:
    """Remembers SIGTERM and SIGUSR1; true once one came, or once there is a `reason` to stop. Built in the
    main thread, before the long work.

    As a context it gives the signals back at the end.
    """

    def __init__(self):
        self.signal, self.since, self.reason = 0, 0.0, ""
        self._before = {number: signal.signal(number, self._remember) for number in SIGNALS}

    def __enter__(self) -> "StopSignal":
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number, frame) -> None:
        if not self.signal:
            self.signal, self.since = number, time.monotonic()
            os.write(2, f"{signal.Signals(number).name}: saving at the end of this step\n".encode())

    def __bool__(self) -> bool:
        return bool(self.signal or self.reason)

    def agreed(self, accelerator) -> bool:
        """Whether any process was told. Collective."""
        if accelerator.num_processes == 1:
            return bool(self)
        import torch

        return bool(accelerator.reduce(torch.tensor(float(bool(self)), device=accelerator.device)) > 0)

    def leave(self) -> None:
        """Exit with 128 + the signal, once all is saved; says how long that took. Raises UserError where
        there is a reason, which of several processes the first alone says."""
        if self.reason and int(os.environ.get("RANK", 0)):
            raise SystemExit(2)
        if self.reason:
            raise UserError(self.reason)
        number = self.signal or signal.SIGTERM  # of several processes, another one may have been told
        grace = time.monotonic() - self.since if self.signal else 0.0
        print(
            f"{signal.Signals(number).name}: saved, {grace:.1f} s after the signal; "
            "the same command goes on from here",
            file=sys.stderr,
            flush=True,
        )
        raise SystemExit(128 + number)


def restartable(main: Callable[..., None]) -> None:
    """`cli` for a step that may raise `Restart`: a process alone becomes a new one, one of several leaves
    with RESTART.

    One of several is also told to stop when its launcher dies.
    """
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if several:
        die_with_parent(signal.SIGTERM)
    try:
        cli(main)
    except Restart as reason:
        print(reason, file=sys.stderr, flush=True)
        sys.stdout.flush()
        if several:
            os._exit(RESTART)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # a GPU gives its memory back when its files are closed
        os.execv(sys.executable, sys.orig_argv)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        said = str(error).strip().splitlines()[0]
        print(
            f"error: out of memory before the first batch: {said}; take a GPU with more memory, "
            "or fsdp on several",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
