"""Trainers' logs as curves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from scripts.lib.report.read import Record

Point = tuple[float, float]


@dataclass(frozen=True)
class Log:
    """One training's log: what was trained, under which seed, and its records, a dict of metrics each."""

    name: str
    seed: int
    records: list[Record]


def curve(records: Iterable[Record], y: str, x: str) -> list[Point]:
    """The points (x, y) of the records that hold both as finite numbers, by x."""
    points: list[tuple[Any, Any]] = [(record.get(x), record.get(y)) for record in records]
    return sorted((float(a), float(b)) for a, b in points if _is_number(a) and _is_number(b))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def mean_curve(lines: Sequence[Sequence[Point]]) -> list[Point]:
    """The mean of several curves, where all of them have a value."""
    points = [dict(line) for line in lines]
    shared = sorted(set.intersection(*(set(each) for each in points)))
    return [(at, sum(each[at] for each in points) / len(points)) for at in shared]
