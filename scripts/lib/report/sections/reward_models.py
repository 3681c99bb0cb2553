"""The section on the reward models: Table 9, and their training."""

from scripts.lib.config.methods import REWARD
from scripts.lib.report import read
from scripts.lib.report.drawing.beside import NONE, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Group, Section
from scripts.lib.report.drawing.text import count, interval, percent
from scripts.lib.report.drawing.training_curves import training_figure
from scripts.lib.report.numbers.curves import Log
from scripts.lib.report.numbers.published import published
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, Study

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
    logs: dict[str, list[Log]] = {}
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
            logs.setdefault(chain.name, []).append(Log(each.reward, chain.seed, read.log(each.log)))
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
        "The paper's Table 9 calls T+ over S− Pos/Neg (its App. E.1: S+ over S−) and T+ over S+ Pos/Pos. "
        "Small: 95 % interval and number of comparisons.",
        "Chance is 50 for one answer over another; for right or wrong it is the larger class: the share of "
        "right answers, or of wrong ones, whichever is more.",
    ]
    made.content.append(beside("Accuracy of the reward models", columns, [Group("", rows)], notes))
    for place, found in logs.items():
        title = f"Training of the reward model, {place}"
        made.content.extend(training_figure(title, found, REWARD.panels, "step", variants=False))
    return made


def _theirs(study: Study, chain: Chain, reward: str, metric: str) -> str:
    """The paper's number, a share, in per cent."""
    place = {"dataset": chain.dataset, "teacher": chain.teacher, "student": chain.student}
    share = published(study, metric, **place).get(reward)
    return NONE if share is None else percent(float(share), 2)


def _estimate(metric: Record) -> Cell:
    if metric["value"] is None:
        return Cell("–")
    return Cell(
        percent(metric["value"]), f"{interval(metric['low'], metric['high'])}, n = {count(metric['n'])}"
    )
