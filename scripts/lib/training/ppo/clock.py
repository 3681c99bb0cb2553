"""The time each phase of an iteration takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.lib.process.progress import Progress


class Clock:
    """Seconds by phase since the last reading; the progress lines name the phase."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        with self._progress.phase(phase):
            yield
        self._spent[phase] = self._spent.get(phase, 0.0) + time.perf_counter() - start

    def read(self) -> dict[str, float]:
        spent, self._spent = self._spent, {}
        return {phase: round(seconds, 4) for phase, seconds in spent.items()}
