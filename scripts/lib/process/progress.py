"""A line every half minute about long work: done, rate, time left."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 30.0


class Progress:
    """`done` of `total` units, told on standard output while the block lasts, whatever the main thread is doing."""

    def __init__(self, unit: str, total: int, done: int = 0, silent: bool = False):
        self.unit, self.total, self.done, self.silent = unit, total, done, silent
        self._first, self._began, self._over = done, time.monotonic(), threading.Event()
        self._phase: tuple[str, float] | None = None
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "Progress":
        if not self.silent:
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        if not self.silent:
            self._thread.join()
            print(self.line(), flush=True)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name what is being done, for the lines in the meantime."""
        before, self._phase = self._phase, (name, time.monotonic())
        try:
            yield
        finally:
            self._phase = before

    def line(self) -> str:
        """The line as of now."""
        now = time.monotonic()
        text = f"{self.unit} {self.done} of {self.total}"
        if (new := self.done - self._first) and now > self._began:
            rate = new / (now - self._began)
            left = (self.total - self.done) / rate
            text += f", {rate:.3g} a second, about {duration(left)} left"
        if self._phase:
            name, since = self._phase
            text += f" ({name} for {now - since:.0f} s)"
        return text

    def _tell(self) -> None:
        while not self._over.wait(SECONDS):
            print(self.line(), flush=True)


def duration(seconds: float) -> str:
    """Seconds in the unit a person would use."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
