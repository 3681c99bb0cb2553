"""Reward models that differ by one setting alone, and what each is worth over its seeds (Figures 7 and 8)."""

import math
import statistics
from collections.abc import Sequence

from scripts.lib.evaluation.intervals import Estimate, Part, half_width
from scripts.lib.report import read
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, Study


def swept(study: Study, chains: Sequence[Chain], block: str, key: str) -> dict[float, list[Record]]:
    """By the value of a setting, rising, the table9.json of each seed: of the most rewards that differ by it.

    `chains`: those of one name. Rewards without a number there are no part of it; {} where fewer than two
    values are left.
    """
    sweeps: dict[str, dict[float, list[Record]]] = {}
    for chain in chains:
        for each in chain.rewards:
            if each.table9 is None:
                continue
            config = study.config["rewards"][each.reward]
            rest = {**config, block: {name: value for name, value in config[block].items() if name != key}}
            if (value := config[block][key]) is not None:
                sweep = sweeps.setdefault(repr(rest), {})
                sweep.setdefault(float(value), []).append(read.document(each.table9))
    longest = max(sweeps.values(), key=len, default={})
    return dict(sorted(longest.items())) if len(longest) > 1 else {}


def over_seeds(measures: Sequence[Record]) -> Estimate | None:
    """A measure of table9.json over seeds: one seed's own interval, or a t interval over several, which is no
    narrower than the mean of their own says for these seeds (two that tie have no spread).

    None where a seed has nothing to measure.
    """
    if any(each["value"] is None for each in measures):
        return None
    if len(measures) == 1:
        return Estimate(*(measures[0][key] for key in ("value", "n", "low", "high")))
    values = [float(each["value"]) for each in measures]
    mean, spread = statistics.mean(values), statistics.variance(values) / len(values)
    own = math.hypot(*((each["high"] - each["low"]) / 2 for each in measures)) / len(values)
    half = max(own, half_width([Part(spread, len(values) - 1)]))
    return Estimate(mean, sum(each["n"] for each in measures), max(0.0, mean - half), min(1.0, mean + half))
