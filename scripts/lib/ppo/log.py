"""metrics.jsonl and the time each phase takes."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Clock:
    """Seconds by phase since the last reading."""

    def __init__(self):
        self._spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._spent[phase] = self._spent.get(phase, 0.0) + time.perf_counter() - start

    def read(self) -> dict[str, float]:
        spent, self._spent = self._spent, {}
        return {phase: round(seconds, 4) for phase, seconds in spent.items()}


class Log:
    """metrics.jsonl, one line an iteration from 0; on resume, the lines after the checkpoint are dropped."""

    def __init__(self, path: Path, writes: bool, last: int):
        self.path, self.writes = path, writes
        if writes:
            lines = path.read_text().splitlines(keepends=True)[: last + 1] if path.exists() else []
            path.write_text("".join(lines))

    def write(self, metrics: dict) -> None:
        if self.writes:
            with self.path.open("a") as file:
                file.write(json.dumps(metrics) + "\n")
            shown = ("iteration", "reward", "agreement", "kl", "response_length", "validation")
            print(" ".join(f"{name}={metrics[name]:.4g}" for name in shown if name in metrics), flush=True)
