"""The section on the reward models: Table 9, and their training."""

from scripts.lib.config.methods import REWARD
from scripts.lib.report import read
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import count, interval, percent
from scripts.lib.report.drawing.training_curves import training_figure
from scripts.lib.report.numbers.curves import Log
from scripts.lib.report.read import Record
from scripts.lib.report.study import Study

MEASURES = {"pos_neg": "Pos/Neg", "pos_pos": "Pos/Pos", "cls": "Right or wrong"}


def section(study: Study) -> Section:
    """A row per reward model and seed, then a figure per chain."""
    made = Section(
        "reward",
        "Reward model",
        "How often it ranks a right answer of the student over a wrong one (Pos/Neg), the teacher's right "
        "answer over the student's right one (Pos/Pos), and tells right from wrong by the sign of its "
        "score; on held-out queries.",
    )
    rows: list[list[Cell]] = []
    logs: dict[str, list[Log]] = {}
    for chain in study.chains:
        for each in chain.rewards:
            if each.table9 is None or each.log is None:
                continue
            metrics = read.document(each.table9)
            head = [Cell(chain.name, each.reward), Cell(str(chain.seed))]
            rows.append([*head, *(_estimate(metrics[key]) for key in MEASURES)])
            logs.setdefault(chain.name, []).append(Log(each.reward, chain.seed, read.log(each.log)))
    if not rows:
        return made.without("No reward model has been trained.")
    columns = ["Chain", "Seed", *(f"{text}, %" for text in MEASURES.values())]
    notes = ["As the paper's Table 9. 50 is chance. Small: 95 % interval and number of comparisons."]
    made.content.append(Table("Accuracy of the reward models", columns, [Group("", rows)], notes))
    for place, found in logs.items():
        title = f"Training of the reward model, {place}"
        made.content.extend(training_figure(title, found, REWARD.panels, "step", variants=False))
    return made


def _estimate(metric: Record) -> Cell:
    if metric["value"] is None:
        return Cell("–")
    return Cell(
        percent(metric["value"]), f"{interval(metric['low'], metric['high'])}, n = {count(metric['n'])}"
    )
