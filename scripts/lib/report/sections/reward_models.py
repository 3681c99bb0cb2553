"""The section on the reward models: Table 9, and their training."""

import polars as pl

from scripts.lib.config.methods import REWARD
from scripts.lib.data import tables
from scripts.lib.report import read
from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.beside import NONE, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Figure, Group, Section
from scripts.lib.report.drawing.styles import style
from scripts.lib.report.drawing.text import count, interval, percent
from scripts.lib.report.drawing.training_curves import training_figure
from scripts.lib.report.numbers.caveats import missing_seeds
from scripts.lib.report.numbers.curves import Log, reward_log
from scripts.lib.report.numbers.published import published
from scripts.lib.report.numbers.rewards import reliability
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, Study

TABLE = "Accuracy of the reward models"
MEASURES = {
    "teacher_over_wrong": "T+ over S−",
    "teacher_over_student": "T+ over S+",
    "student_over_wrong": "S+ over S−",
    "cls": "Right or wrong",
}


def section(study: Study) -> Section:
    """A row per reward model and seed, then a figure per chain."""
    made = Section(
        "reward",
        "Reward model",
        "How often it ranks a right answer of the teacher (T+) or of the student (S+) over a wrong one of "
        "the student (S−), the teacher's right answer over the student's right one, and tells right from "
        "wrong by the sign of its score; on held-out queries.",
        made="accuracies from each reward's table9.json, curves from its metrics.jsonl.",
    )
    rows: list[list[Cell]] = []
    measures: list[tuple[str, str, int]] = []
    logs: dict[str, list[Log]] = {}
    measured: dict[tuple[str, str], list[tuple[float, pl.DataFrame]]] = {}
    for chain in study.chains:
        for each in chain.rewards:
            if each.table9 is None or each.log is None:
                continue
            metrics = read.document(each.table9)
            head = [Cell(chain.name, each.reward), Cell(str(chain.seed))]
            majority = Cell(percent(metrics["cls"]["majority"]))
            theirs = [Cell(_theirs(study, chain, each.reward, metric)) for metric in ("pos_neg", "pos_pos")]
            ours = [_estimate(metrics[key]) for key in MEASURES]
            rows.append([*head, ours[0], theirs[0], ours[1], theirs[1], *ours[2:], majority])
            measures.append((chain.name, each.reward, chain.seed))
            logs.setdefault(chain.name, []).append(reward_log(chain, each))
            if each.held_out:
                rewards = tables.read(each.held_out, tables.HELD_OUT_REWARDS)
                measured.setdefault((chain.name, each.reward), []).append((best_score(chain), rewards))
    if not rows:
        return made.without("No reward model has been trained.")
    names = [f"{text}, %" for text in MEASURES.values()]
    columns = [
        "Chain",
        "Seed",
        names[0],
        f"{PAPER}: Pos/Neg, %",
        names[1],
        f"{PAPER}: Pos/Pos, %",
        *names[2:],
    ]
    columns.append("Larger class, %")
    notes = [
        *missing_seeds(measures),
        "The paper's Table 9 calls T+ over S− Pos/Neg (its App. E.1: S+ over S−) and T+ over S+ Pos/Pos. "
        "Small: 95 % interval over queries and number of comparisons.",
        "Chance is 50 for one answer over another; for right or wrong it is the larger class: the share of "
        "right answers, or of wrong ones, whichever is more.",
    ]
    made.content.append(beside(TABLE, columns, [Group("", rows)], notes))
    made.content.extend(_reliability(measured))
    for place, found in logs.items():
        title = f"Training of the reward model, {place}"
        made.content.extend(training_figure(title, found, REWARD.panels, "step", variants=False))
    return made


def _theirs(study: Study, chain: Chain, reward: str, metric: str) -> str:
    """The paper's number, a share, in per cent."""
    place = {"dataset": chain.dataset, "teacher": chain.teacher, "student": chain.student}
    share = published(study, metric, **place).get(reward)
    return NONE if share is None else percent(float(share), 2)


def best_score(chain: Chain) -> float:
    """l*: what the teacher gives an answer that is right, or as good as can be."""
    return 5.0 if chain.judged else 1.0


def _reliability(measured: dict[tuple[str, str], list[tuple[float, pl.DataFrame]]]) -> list[Figure]:
    """A panel per chain and reward, its seeds together."""
    panels = []
    for (place, reward), found in measured.items():
        together = pl.concat(
            rewards.with_columns(pl.format("{} {}", pl.lit(seed), "query_id").alias("query_id"))
            for seed, (_, rewards) in enumerate(found)
        )
        points = reliability(together, found[0][0])
        series = charts.Series(
            reward,
            style(0),
            [(confidence, each.value) for confidence, each in points],
            marked=True,
            bounds=[(each.low, each.high) for _, each in points],
            notes=[count(each.n) for _, each in points],
        )
        title, x = f"{reward}, {place}", "confidence σ(|r of the right − r of the wrong|), %"
        if points:
            panels.append(charts.line_panel(title, [series], x, shares=True, diagonal=True))
    caption = (
        "How often the right answer of a query has the higher reward, by how sure the model is of the order "
        "it gives (Eq. 7; tenths, all seeds; intervals over queries, above them the pairs). On the dashed "
        "line a confidence says how often it is right; below it, the model is too sure."
    )
    made = (
        "from each reward's held_out_rewards.parquet, every right answer against every wrong one of a query."
    )
    return [Figure("Reliability of the reward models, %", panels, caption, made=made)] if panels else []


def _estimate(metric: Record) -> Cell:
    if metric["value"] is None:
        return Cell("–")
    return Cell(
        percent(metric["value"]), f"{interval(metric['low'], metric['high'])}, n = {count(metric['n'])}"
    )
