"""How well validation could tell a training's checkpoints apart: from its log, the best and its doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts.lib.evaluation.intervals import Estimate, wilson

ENOUGH = 100
"""Questions from which one greedy answer each chooses well enough."""
DRAWS = 8
"""Answers drawn beside the greedy one of each of fewer questions. A greedy answer tells on which side of its
question a model is, draws tell how far: simulated at 31 questions, the chosen of seven checkpoints lost 0.4
to 1.7 points of accuracy so, by greedy answers alone 0.9 to 2.3. From 100 questions on draws lose as often as
they win: they favour a model that is merely surer."""
BY = {
    "accuracy": "accuracy against the golds",
    "agreement": "agreement with the teacher's votes",
    "score": "the judge's mean score",
}
"""What chooses, by the name of its metric."""


@dataclass(frozen=True)
class Choice:
    """What chose a checkpoint: the metric (a key of BY), the step of the first best, its value with the
    interval over questions (Wilson's; of scores the mean's), and of how many candidates how many (the best
    too) lie in that interval.

    The candidates answered the same questions, and of few questions several answers were drawn: both make
    differences surer than the interval says.
    """

    metric: str
    step: int
    best: Estimate
    candidates: int
    within: int

    def __str__(self) -> str:
        value, n, low, high = self.best
        shown = f"{100 * value:.1f} % on {asked(n)} (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        if self.metric == "score":
            shown = f"{value:.2f} of 5 on {n} questions (95 % interval {low:.2f} to {high:.2f})"
        return f"{BY[self.metric]} {shown}, {self.within} of {self.candidates} candidates within it"


def choice(rows: Sequence[dict[str, Any]], prefix: str, step: str) -> Choice | None:
    """The choice that a log's rows tell of; None where no question chose.

    `prefix` stands before the metric's name and `n`; `step` is the column that counts.
    """
    metric = next((name for name in BY if any(f"{prefix}{name}" in row for row in rows)), None)
    judged = [row for row in rows if f"{prefix}{metric}" in row and f"{prefix}n" in row]
    if metric is None or not judged:
        return None
    values = [row[f"{prefix}{metric}"] for row in judged]
    first = values.index(max(values))
    n = int(judged[first][f"{prefix}n"])
    if metric == "score":
        low, high = (judged[first][f"{prefix}score_{end}"] for end in ("low", "high"))
        best = Estimate(values[first], n, low, high)
    else:
        best = wilson(values[first] * n, n)
    within = sum(value >= best.low for value in values)
    return Choice(metric, int(judged[first][step]), best, len(values), within)


def answers_each(questions: int) -> int:
    """Answers to each of so many questions that choose a checkpoint."""
    return 1 if questions >= ENOUGH else 1 + DRAWS


def asked(questions: int) -> str:
    """So many questions, in words."""
    each = answers_each(questions)
    return f"{questions} questions" + (f", {each} answers each" if each > 1 else "")


def warning(questions: int) -> str:
    """What too few questions mean and the mend; "" where they are enough."""
    if questions >= ENOUGH:
        return ""
    half = wilson(questions / 2, questions).high - 1 / 2
    return (
        f"{questions} validation questions choose the checkpoint, and tell one from another only where they "
        f"differ by some {100 * half:.0f} points; raise validation_fraction, or bring more questions"
    )
