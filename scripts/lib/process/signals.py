"""An orderly end when SLURM, Snakemake or a person asks for one: SIGTERM, and then not much time."""

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scripts.lib.errors import UserError

STATUS = 128 + signal.SIGTERM
PATIENCE = 60.0
"""Seconds after which a process ends that could not end by itself: SLURM's profile gives 120, then kills."""


class Termination:
    """Whether and when the end was asked for."""

    def __init__(self) -> None:
        self.asked: float | None = None
        self._holding = False
        self._watch: threading.Timer | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must not be cut in half: a signal that comes meanwhile ends the process after it."""
        before, self._holding = self.asked, True
        try:
            yield
        finally:
            self._holding = False
        if self.asked != before:
            raise SystemExit(STATUS)

    def ask(self, *_: object) -> None:
        """The signal's handler. The first signal counts, more of them change nothing."""
        if self.asked is not None:
            return
        self.asked = time.monotonic()
        print("SIGTERM: storing what is finished", file=sys.stderr, flush=True)
        self._watch = _watch()
        if not self._holding:
            raise SystemExit(STATUS)

    def close(self) -> None:
        """Where the end was asked for, say how long it took; from here only the interpreter's own end is
        watched."""
        if self.asked is None or self._watch is None:
            return
        self._watch.cancel()
        seconds = time.monotonic() - self.asked
        print(f"stored what was finished, {seconds:.1f} s after SIGTERM", file=sys.stderr, flush=True)
        atexit.register(_alarm)


def _watch() -> threading.Timer:
    """End the process by force when it has not ended in time, such as an engine that hangs."""
    watch = threading.Timer(PATIENCE, os._exit, [STATUS])
    watch.daemon = True
    watch.start()
    return watch


def _alarm() -> None:
    """The same for the interpreter's own end, in which Python 3.12 and later start no thread:
    the system does it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)


@contextmanager
def terminable() -> Iterator[Termination]:
    """Turn SIGTERM into an exit with status 143 that runs every `finally` first; says how many seconds it
    took.

    An engine whose own processes the signal ends as well may fail in its own way: that is an end, too.
    """
    termination = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield termination
        return
    before = signal.signal(signal.SIGTERM, termination.ask)
    try:
        yield termination
    except Exception as error:
        if termination.asked is None or isinstance(error, UserError):
            raise
        raise SystemExit(STATUS) from None
    finally:
        if termination.asked is None:
            signal.signal(signal.SIGTERM, before)
        else:
            signal.signal(
                signal.SIGTERM, lambda *_: None
            )  # told once is told; ignored, our children would ignore it
            termination.close()


@contextmanager
def deferred(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> Iterator[list[BaseException]]:
    """SIGTERM and SIGINT as events of `loop`, which `wake` tells it of; yields what the signals' handlers
    raised.

    Raised where the signal falls, in the middle of a task, it would take a reply with it that is paid for.
    Whoever has brought in what is under way leaves the block; the first of the list is raised then.
    """
    told: list[BaseException] = []
    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def tell(number: signal.Signals) -> None:
        handler = before[number]
        try:
            if callable(handler):
                handler(number, None)
            else:
                raise SystemExit(128 + number)
        except (SystemExit, KeyboardInterrupt) as end:
            told.append(end)
            wake()

    for number in before:
        loop.add_signal_handler(number, tell, number)
    try:
        yield told
        loop.run_until_complete(asyncio.sleep(0.01))  # a signal that fell outside the loop's own time
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    if told:
        raise told[0]
