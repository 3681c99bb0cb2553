"""metrics.jsonl, which grows while a training goes on, and the trackers that get the same rows."""

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
    """Rows of a training, one per step: in a file at once, which is whole at any time, and sent to
    TensorBoard and W&B.

    Starts with the rows that a checkpoint already has, so that a resumed run repeats none. Only the main
    process makes one. A training that starts over replaces the event files in `logging_dir`.
    """

    def __init__(
        self,
        path: Path,
        rows: list[dict],
        step: str,
        report_to: Sequence[str] = (),
        logging_dir: Path | None = None,
    ):
        self.path, self.step, self._rows = path, step, list(rows)
        write_json_lines(self._rows, path)
        self._trackers = _trackers(report_to, logging_dir, path.parent.name, rows[-1][step] if rows else 0)

    def write(self, row: dict, **timed: float) -> None:
        """Add a row; what depends on the clock goes to the trackers only."""
        self._rows.append(row)
        write_json_lines(self._rows, self.path)
        values = {name: value for name, value in row.items() if name != self.step} | timed
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        for tracker in self._trackers:
            tracker.log(numbers, step=row[self.step])

    def close(self) -> None:
        """Let the trackers write what they hold."""
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
