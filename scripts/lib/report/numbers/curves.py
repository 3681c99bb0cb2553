"""Trainers' logs as curves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from scripts.lib.config.methods import POLICIES
from scripts.lib.evaluation.choice import Choice, choice
from scripts.lib.report import read
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, RewardModel, Training

Point = tuple[float, float]


@dataclass(frozen=True)
class Log:
    """One training's log: what was trained, under which seed, and its records, a dict of metrics each.

    `chosen`: the step or iteration whose checkpoint was kept, where one was chosen.
    """

    name: str
    seed: int
    records: list[Record]
    chosen: int | None = None


def training_log(chain: Chain, training: Training) -> Log:
    """The log of a chain's training, with the step or iteration of the checkpoint that was chosen."""
    chosen = choice_of(training)
    return Log(training.variant, chain.seed, read.log(training.log), chosen.step if chosen else None)


def reward_log(chain: Chain, reward: RewardModel) -> Log:
    """The log of a chain's reward model, with the step of the checkpoint that was kept; empty without one."""
    records = read.log(reward.log) if reward.log else []
    best = best_ranking(records)
    return Log(reward.reward, chain.seed, records, int(best[0]) if best else None)


def best_ranking(records: Iterable[Record]) -> Point | None:
    """What chose a reward model's checkpoint: the step of the first best share of validation pairs that it
    ranks rightly, and that share."""
    return max(curve(records, "eval_accuracy", "step"), key=lambda point: point[1], default=None)


def counter(method: str) -> str:
    """What the records of a method's log count."""
    return "iteration" if method in POLICIES else "step"


def choice_of(training: Training) -> Choice | None:
    """What chose the checkpoint of a training, by its log."""
    prefix = "validation_" if training.method in POLICIES else "eval_"
    return choice(read.log(training.log), prefix, counter(training.method))


def curve(records: Iterable[Record], y: str, x: str) -> list[Point]:
    """The points (x, y) of the records that hold both as finite numbers, by x."""
    points: list[tuple[Any, Any]] = [(record.get(x), record.get(y)) for record in records]
    return sorted((float(a), float(b)) for a, b in points if _is_number(a) and _is_number(b))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def at(line: Sequence[Point], x: float) -> Point | None:
    """The last point of a curve, by x, that does not lie behind `x`."""
    return next((point for point in reversed(line) if point[0] <= x), None)


def mean_curve(lines: Sequence[Sequence[Point]]) -> list[Point]:
    """The mean of several curves, where all of them have a value."""
    points = [dict(line) for line in lines]
    shared = sorted(set.intersection(*(set(each) for each in points)))
    return [(at, sum(each[at] for each in points) / len(points)) for at in shared]


def against(records: Iterable[Record], x: str, y: str) -> list[Point]:
    """The points (x, y) of the records that hold both, in the order of the records."""
    return [point for record in records for point in curve([record], y, x)]


def thin(line: Sequence[Point], most: int = 150) -> list[Point]:
    """A line of at most `most` points: means over stretches of equal length where it has more.

    The last stretch may be shorter; each mean stands at its stretch's last x.
    """
    length = -(-len(line) // most)
    parts = [line[start : start + length] for start in range(0, len(line), max(length, 1))]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]
