"""metrics.jsonl, which grows while a training goes on, and the trackers that get the same rows."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from scripts.lib.data.files import write_json_lines
from scripts.lib.errors import UserError


def check_reporters(report_to: Sequence[str]) -> None:
    """Raise UserError when a tracker's package is missing."""
    for name in report_to:
        if find_spec(name) is None:
            raise UserError(
                f"report_to names {name}, which this environment lacks; .venv-gpu/bin/pip install {name}, "
                "or drop it"
            )


class MetricsLog:
    """Rows of a training, one per step: each in a file at once, and sent to TensorBoard and W&B.

    Starts with the rows that a checkpoint already has, in a new file that takes the old one's place: a
    resumed run repeats no row, and what a kill has torn, or an older copy of the training still writes, is in
    a file without a name. Only the main process makes one. A training that starts over replaces the event
    files in `logging_dir`.
    """

    def __init__(
        self,
        path: Path,
        rows: list[dict],
        step: str,
        report_to: Sequence[str] = (),
        logging_dir: Path | None = None,
    ):
        self.path, self.step = path, step
        write_json_lines(rows, path)
        self._file = path.open("a", encoding="utf-8")
        self._trackers = _trackers(report_to, logging_dir, path.parent.name, rows[-1][step] if rows else 0)

    def write(self, row: dict, **timed: float) -> None:
        """Add a row; what depends on the clock goes to the trackers only."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        values = {name: value for name, value in row.items() if name != self.step} | timed
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        for tracker in self._trackers:
            tracker.log(numbers, step=row[self.step])

    def close(self) -> None:
        """Write what the trackers hold."""
        self._file.close()
        for tracker in self._trackers:
            tracker.finish()


def _trackers(report_to: Sequence[str], logging_dir: Path | None, run: str, done: int) -> list:
    """Started trackers. Steps after `done` that an earlier, killed process has sent are hidden or kept as
    they are."""
    if logging_dir is None:
        return []
    from accelerate.tracking import TensorBoardTracker, WandBTracker

    logging_dir.mkdir(parents=True, exist_ok=True)
    started = []
    if "tensorboard" in report_to:
        if not done:
            for old in logging_dir.glob("events.out.tfevents.*"):
                old.unlink()
        started.append(TensorBoardTracker(logging_dir.name, logging_dir.parent, purge_step=done + 1))
    if "wandb" in report_to:
        names = {"name": logging_dir.as_posix(), "dir": str(logging_dir), "id": run, "resume": "allow"}
        started.append(WandBTracker("redistill", **names))
    for tracker in started:
        tracker.start()
    return started
