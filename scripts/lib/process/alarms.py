"""Alarms: what goes wrong in a run, told while it happens. Their thresholds, and the rules that read numbers.

A rule looks at means over the last so many episodes, which no single batch moves, some of them against the
first so many. It is a function of the metrics alone: what has rung can be told of any log, by other
thresholds, too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

MARK = "alarm: "
"""How the line of an alarm begins, in the log of the step in which it rings."""
Share = Annotated[float | None, Ge(0), Le(1), Source("ours")]
Factor = Annotated[float | None, Gt(1), Source("ours")]
Fraction = Annotated[float | None, Gt(0), Le(1), Source("ours")]


@dataclass(frozen=True, kw_only=True)
class Alarms(StepSettings):
    """When a run says that something goes wrong; null turns an alarm off, and no key runs anything again."""

    action: Annotated[Literal["warn", "stop"], Source("ours")] = "warn"
    """warn: a line in the step's log, in the status and on the page; stop: the step ends, too, once its state
    is saved, and goes on from there by another threshold."""
    episodes: Annotated[int, Gt(0), Source("ours")] = 1000
    """Over how many of a policy's last responses each of its numbers is a mean: a share of them is known to 3
    points."""
    kl: Annotated[float | None, Gt(0), Source("ours")] = 20.0
    """At most so many nats a response from the starting student: at kl_coef 0.2 they cost 4, nearly the -5 of
    Eq. 10."""
    entropy_falls: Fraction = 0.1
    """At least so much of the entropy that a token had at first: with less nothing is explored any more."""
    entropy_rises: Factor = 3.0
    """At most so many times the entropy that a token had at first: a policy that forgets its language."""
    length_falls: Fraction = 0.33
    """At least so much of the length that responses had at first: reasoning is given up."""
    length_rises: Factor = 3.0
    """At most so many times the length that responses had at first: the reward pays for words."""
    truncated: Share = 0.25
    """At most this share of responses cut off at max_tokens: they earn what they never came to say."""
    no_answer: Share = 0.5
    """At most this share of responses without an answer: from there on the -5 is most of what is learnt."""
    duplicates: Share = 0.5
    """At most this share of a batch's responses that repeat another query's; short answers may: then null."""
    agreement_falls: Share = 0.2
    """At most so much less agreement with the labels than at first, while the reward rises: the reward model
    is gamed."""
    explained_variance: Annotated[float | None, Le(1), Source("ours")] = 0.02
    """At least so much of the returns' variance explained by the value network, once it has had twice
    `episodes`; 0 explains nothing, and less misleads."""
    reward_accuracy: Share = 0.5
    """A reward model whose 95 % interval on held-out pairs lies below this ranks them the wrong way round."""
    labelled: Share = 0.2
    """At least this share of the queries with a pseudo-label: with fewer PPO learns from few, easy ones."""


Means = Mapping[str, float]


class Rule(NamedTuple):
    """An alarm on a policy's metrics.

    key: its threshold in `Alarms`. above: on which side of it the alarm rings. what: the number, in words.
    value: of the means now and at first (empty until both are apart); None, or a missing key: not measured.
    """

    key: str
    above: bool
    what: str
    value: Callable[[Means, Means], float | None]


def _growth(metric: str) -> Callable[[Means, Means], float]:
    """A metric, as a multiple of what it was at first."""
    return lambda now, first: now[metric] / first[metric]


RULES = (
    Rule("kl", True, "KL to the starting student, nats a response,", lambda now, _: now["kl"]),
    Rule("entropy_falls", False, "the entropy, against its beginning,", _growth("entropy")),
    Rule("entropy_rises", True, "the entropy, against its beginning,", _growth("entropy")),
    Rule(
        "length_falls",
        False,
        "the length of responses, against its beginning,",
        _growth("response_length"),
    ),
    Rule(
        "length_rises",
        True,
        "the length of responses, against its beginning,",
        _growth("response_length"),
    ),
    Rule("truncated", True, "the share of responses cut off", lambda now, _: now["truncated"]),
    Rule("no_answer", True, "the share of responses without an answer", lambda now, _: now["no_answer"]),
    Rule("duplicates", True, "the share of responses to several queries", lambda now, _: now["duplicates"]),
    Rule(
        "agreement_falls",
        True,
        "what agreement with the labels has lost, while the reward rose,",
        lambda now, first: first["agreement"] - now["agreement"] if now["reward"] > first["reward"] else None,
    ),
    Rule(
        "explained_variance",
        False,
        "the variance that the value network explains",
        lambda now, first: now["explained_variance"] if first else None,
    ),
)


class Ring(NamedTuple):
    """An alarm that rang: its key in `Alarms`, and what it says."""

    key: str
    text: str

    @property
    def line(self) -> str:
        """For a log."""
        return f"{MARK}{self.text} (alarms.{self.key})"

    @property
    def mend(self) -> str:
        """Why a step ends, and how it goes on."""
        return (
            f"{self.line}; what led here is kept: give alarms.{self.key} another threshold or null, or "
            "alarms.action warn, and run again"
        )


def rang(alarms: Alarms, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Ring]:
    """Each alarm that rang in a policy's metrics.jsonl, by its key, as it rang first."""
    rows = _iterations(metrics)
    found: dict[str, Ring] = {}
    for end in range(_window(alarms, rows), len(rows) + 1):
        for ring in _ringing(alarms, rows, end):
            found.setdefault(ring.key, ring)
    return found


class Bell:
    """The alarms of a policy under training, from the rows of its metrics so far."""

    def __init__(self, alarms: Alarms, metrics: Sequence[Mapping[str, Any]]):
        self.alarms, self._rows = alarms, list(metrics)
        self._rang = rang(alarms, metrics)
        tell(self._rang.values())

    def hear(self, row: Mapping[str, Any]) -> str:
        """Take a row, and print what rings for the first time; why to stop, "" where nothing asks for it."""
        self._rows.append(row)
        rows = _iterations(self._rows)
        now = _ringing(self.alarms, rows, len(rows))
        tell(ring for ring in now if ring.key not in self._rang)
        self._rang = {ring.key: ring for ring in now} | self._rang
        return now[0].mend if now and self.alarms.action == "stop" else ""


def of_labels(alarms: Alarms, labelled: int, queries: int) -> list[Ring]:
    """The alarm of so few queries with a label."""
    share, least = labelled / queries, alarms.labelled
    if least is None or share >= least:
        return []
    return [Ring("labelled", f"{labelled} of {queries} queries have a label: {share:.3g} is below {least:g}")]


def of_reward_model(alarms: Alarms, table9: Mapping[str, Mapping[str, Any]]) -> list[Ring]:
    """The alarm of a reward model that Table 9's measures show to be below chance."""
    pairs, least = table9["preference"], alarms.reward_accuracy
    if least is None or pairs["high"] is None or pairs["high"] >= least:
        return []
    return [
        Ring(
            "reward_accuracy",
            f"the reward model ranks {pairs['value']:.3g} of {pairs['n']} held-out pairs rightly, at most "
            f"{pairs['high']:.3g} by its 95 % interval, which is below {least:g}",
        )
    ]


def sound(alarms: Alarms, rings: Sequence[Ring]) -> None:
    """Print alarms. Raises UserError under `action: stop`."""
    tell(rings)
    if rings and alarms.action == "stop":
        raise UserError(rings[0].mend)


def tell(rings) -> None:
    """Print the lines of alarms."""
    for ring in rings:
        print(ring.line, flush=True)


def _iterations(metrics: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in metrics if row.get("reward") is not None and row.get("episodes")]


def _window(alarms: Alarms, rows: Sequence[Mapping[str, Any]]) -> int:
    """Iterations that make `episodes`; the first row's are those of a batch."""
    return math.ceil(alarms.episodes / rows[0]["episodes"]) if rows else 1


def _ringing(alarms: Alarms, rows: Sequence[Mapping[str, Any]], end: int) -> list[Ring]:
    """What rings at the last of `end` iterations."""
    length = _window(alarms, rows)
    if not rows or end < length:
        return []
    now = _means(rows[end - length : end])
    first = _means(rows[:length]) if end >= 2 * length else {}
    found = []
    for rule in RULES:
        limit = getattr(alarms, rule.key)
        try:
            value = rule.value(now, first)
        except (KeyError, ZeroDivisionError):
            continue
        if limit is not None and value is not None and (value > limit if rule.above else value < limit):
            side = "above" if rule.above else "below"
            over = f"over {length * rows[0]['episodes']} episodes to iteration {rows[end - 1]['iteration']}"
            found.append(Ring(rule.key, f"{rule.what} is {value:.3g} {over}, {side} {limit:g}"))
    return found


def _means(rows: Sequence[Mapping[str, Any]]) -> Means:
    """The mean of every number that any of the rows holds."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float):
                values.setdefault(name, []).append(value)
    return {name: sum(each) / len(each) for name, each in values.items()}
