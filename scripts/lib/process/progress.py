"""A line every half minute about long work: done, rate, time left."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 30.0


class Progress:
    """`done` of `total` units, told on standard error while the block lasts, whatever the main thread is
    doing.

    `also` counts what else is made in the block, by name, and is told with its rate.
    """

    def __init__(self, unit: str, total: int, done: int = 0, silent: bool = False):
        self.unit, self.total, self.done, self.silent = unit, total, done, silent
        self.also: Counter[str] = Counter()
        self._first, self._began, self._over = done, time.monotonic(), threading.Event()
        self._phase: tuple[str, float] | None = None
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "Progress":
        if not self.silent:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if not self.silent:
            self._thread.join()
            self._print()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name what is being done, for the lines in the meantime."""
        before, self._phase = self._phase, (name, time.monotonic())
        try:
            yield
        finally:
            self._phase = before

    def line(self) -> str:
        """The line as of now: "completion 120 of 480 in 40 s, 3 per second, about 2 min left, 1500 tokens
        (38 per second)"."""
        now = time.monotonic()
        text = f"{self.unit} {self.done} of {self.total}"
        took = now - self._began
        if (new := self.done - self._first) and took > 0:
            text += f" in {duration(took)}, {new / took:.3g} per second"
            if self.done < self.total:
                text += f", about {duration((self.total - self.done) * took / new)} left"
            text += "".join(
                f", {count} {name} ({count / took:.0f} per second)" for name, count in self.also.items()
            )
        if self._phase:
            name, since = self._phase
            text += f" ({name} for {duration(now - since)})"
        return text

    def _print(self) -> None:
        print(self.line(), file=sys.stderr, flush=True)

    def _tell(self) -> None:
        while not self._over.wait(SECONDS):
            self._print()


def duration(seconds: float) -> str:
    """Seconds as a person says them: "7.4 s", "42 s", "10 min", "1 min 15 s", "2 h 1 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g} s"
    if whole < 3600:
        return _two(*divmod(whole, 60), "min", "s")
    return _two(*divmod(round(seconds / 60), 60), "h", "min")


def _two(large: int, small: int, unit: str, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"
