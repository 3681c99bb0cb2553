"""The ledger: what jobs were planned to cost, and what they did cost, lost attempts included."""

import csv
import json
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.runs.gpus import planned_on
from scripts.lib.runs.snakemake_log import Attempt, SnakemakeRun, seconds

COLUMNS = {
    "hours": ("expected_hours", "most_hours"),
    "GPU-hours": ("expected_gpu_hours", "most_gpu_hours"),
    "tokens": (None, "most_tokens"),
    "dollars": (None, "most_dollars"),
    "GB": (None, "most_gb"),
}
"""What is spent, and under which names the plan's figures for it stand:
expected (where the plan has one) and at most."""
NOTE = """\
spent / expected / planned at most; lost: failed or killed attempts, and their part of the hours
tokens: of the results, stored ones too; dollars: of all runs of a job; GB: results, without the store
A job that was made again counts as last made; what SLURM itself started again (preemption, a dead node) as
its accounts (sacct) say, where a site keeps none as last started."""


@dataclass
class Making:
    """All attempts at one job since it was last finished: the plan is the first one's, one that is done ends
    it."""

    attempts: list[Attempt]

    @property
    def last(self) -> Attempt:
        """The attempt that decided, or that is at work."""
        return self.attempts[-1]


def makings(runs: Iterable[SnakemakeRun]) -> list[Making]:
    """The latest making of every job that these runs, oldest first, have started."""
    latest: dict[tuple[str, ...], Making] = {}
    for run in runs:
        for attempt in run.attempts:
            making = latest.get(attempt.job)
            if making is None or making.last.state == "done":
                latest[attempt.job] = Making([attempt])
            else:
                making.attempts.append(attempt)
    return list(latest.values())


def planned(making: Making) -> dict[str, float]:
    """Hours, GPU-hours, tokens, dollars and GB that the job announced when it first started."""
    first = making.attempts[0]
    said, (gpus, longer) = first.resources, planned_on(first.rule, first.resources)
    expected, most = (longer * said.get(key, 0) / 3600 for key in ("expected", "at_most"))
    return {
        "expected_hours": expected,
        "most_hours": most,
        "expected_gpu_hours": gpus * expected,
        "most_gpu_hours": gpus * most,
        "most_tokens": said.get("tokens", 0),
        "most_dollars": said.get("cents", 0) / 100,
        "most_gb": said.get("disk_mb", 0) / 1000,
    }


def spent(making: Making, now: float) -> dict[str, float]:
    """What the job has cost so far; `lost` attempts and `lost_hours` are part of it.

    Tokens and dollars count where the plan counts them: not where samples of other jobs are put together.
    """
    said = making.attempts[0].resources
    hours = [_hours(attempt, now) for attempt in making.attempts]
    lost = [
        hour
        for hour, attempt in zip(hours, making.attempts, strict=True)
        if attempt.state in {"failed", "lost"}
    ]
    outputs, ledger = _outputs(making), _ledger(making)
    gpu_hours = (
        attempt.resources.get("gpu", 0) * hour for attempt, hour in zip(making.attempts, hours, strict=True)
    )
    return {
        "hours": sum(hours),
        "GPU-hours": sum(gpu_hours),
        "tokens": (ledger.get("total_completion_tokens") or 0) if said.get("tokens") else 0,
        "dollars": (ledger.get("total_dollars") or 0) if said.get("cents") else 0,
        "GB": sum(map(size, outputs)) / 1e9,
        "lost": len(lost),
        "lost_hours": sum(lost),
    }


def held(runs: Iterable[SnakemakeRun], now: float) -> float:
    """GPU-hours that all attempts of these runs have held."""
    every = (attempt for run in runs for attempt in run.attempts)
    return sum(attempt.resources.get("gpu", 0) * _hours(attempt, now) for attempt in every)


def paid(runs: Iterable[SnakemakeRun], again: Set[tuple[str, ...]] = frozenset()) -> float:
    """Dollars that the jobs of these runs have cost, as their ledgers say.

    A job without a ledger (a judge of AlpacaEval's, what never was done) counts as planned at most, but not
    if it is made `again` (by `key_of`): its plan at most counts what is stored, too.
    """
    return sum(
        _ledger(making).get(
            "total_dollars", 0 if making.last.job in again else planned(making)["most_dollars"]
        )
        for making in makings(runs)
        if making.attempts[0].resources.get("cents")
    )


def _outputs(making: Making) -> list[Path]:
    return [Path(name) for name in making.last.output.split(", ") if name]


def _ledger(making: Making) -> dict:
    """What a job wrote of its cost; empty where it wrote nothing."""
    return next((_json(path) for path in _outputs(making) if path.name == "ledger.json"), {})


def _hours(attempt: Attempt, now: float) -> float:
    """As SLURM held it, else of a finished job as its benchmark measured it, else as the logs tell."""
    if attempt.held is not None:
        return attempt.held / 3600
    measured = _benchmark(Path(attempt.benchmark)) if attempt.state == "done" and attempt.benchmark else None
    return (seconds(attempt, now) if measured is None else measured) / 3600


def _benchmark(path: Path) -> float | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return sum(float(line["s"]) for line in csv.DictReader(file, delimiter="\t"))
    except (OSError, ValueError, KeyError):
        return None


def _json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; 0 where there is none."""
    try:
        if path.is_dir():
            return sum(size(each) for each in path.iterdir())
        return path.stat().st_size
    except OSError:
        return 0


def by_rule(made: Iterable[tuple[str, dict[str, float]]]) -> list[dict]:
    """Figures of jobs (`planned` and `spent`, by rule) as one line per rule: `rule`, `jobs`, sums;
    the last line is the total."""
    lines: dict[str, dict] = {}
    for rule, figures in made:
        for name in (rule, ""):
            line = lines.setdefault(name, {"rule": name or "total", "jobs": 0} | dict.fromkeys(figures, 0))
            line["jobs"] += 1
            for key, value in figures.items():
                line[key] += value
    return [line for name, line in lines.items() if name] + [lines[""]] if lines else []


def figures(making: Making, now: float) -> dict[str, float]:
    """What a job was planned to cost and has cost."""
    return planned(making) | spent(making, now)


def columns(lines: list[dict]) -> list[str]:
    """The names of `COLUMNS` of which there is anything to tell."""
    return [name for name, keys in COLUMNS.items() if name == "hours" or any(line[keys[1]] for line in lines)]


def cell(line: dict, name: str) -> str:
    """One of `COLUMNS` as "spent / expected / at most"."""
    expected, most = COLUMNS[name]
    values = [line[name], *([line[expected]] if expected else []), line[most]]
    return " / ".join(f"{value:,.0f}" if name == "tokens" else number(value) for value in values)


def number(value: float) -> str:
    """A figure with as many digits as it deserves."""
    return (
        f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"
    )


def table(made: Iterable[Making], now: float) -> str:
    """The ledger as aligned text; empty without a job."""
    lines = by_rule((making.last.rule, figures(making, now)) for making in made)
    if not lines:
        return ""
    shown = columns(lines)
    rows = [["rule", "jobs", "lost", *shown]]
    for line in lines:
        lost = f"{line['lost']} ({number(line['lost_hours'])} h)" if line["lost"] else ""
        rows.append([line["rule"], str(line["jobs"]), lost, *(cell(line, name) for name in shown)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([*text, "", NOTE])


def summary(made: Iterable[Making], now: float) -> str:
    """The ledger in one line; empty without a job."""
    lines = by_rule((making.last.rule, figures(making, now)) for making in made)
    if not lines:
        return ""
    told = "; ".join(f"{name} {cell(lines[-1], name)}" for name in columns(lines))
    return f"{lines[-1]['jobs']} jobs, spent / expected / planned at most: {told} (by rule: make status)"
