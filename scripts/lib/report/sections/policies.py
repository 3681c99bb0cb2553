"""The section on policy optimisation: what PPO was paid for, and what came of it."""

from collections.abc import Sequence

from scripts.lib.config.methods import POLICIES
from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import count, percent, seconds
from scripts.lib.report.drawing.training_curves import training_figure
from scripts.lib.report.numbers.curves import Log, training_log
from scripts.lib.report.numbers.variants import in_order, name
from scripts.lib.report.study import Study


def section(study: Study) -> Section:
    """A figure per chain, and a row per run of PPO."""
    made = Section(
        "ppo",
        "Policy optimisation",
        "What PPO was paid for, and what came of it. The reward's parts are logged one by one: the reward "
        "model's score, the −5 for no answer, and what the consistency check takes off where the answer is "
        "not the label's.",
        made="from each policy's metrics.jsonl, a record per iteration.",
    )
    logs: dict[tuple[str, str], list[Log]] = {}
    for chain in study.chains:
        for each in chain.trainings:
            if each.method in POLICIES:
                logs.setdefault((each.method, chain.name), []).append(training_log(chain, each))
    if not logs:
        return made.without("No policy has been optimised with PPO.")
    for (method, place), found in logs.items():
        title, panels = f"{POLICIES[method].name}, {place}", POLICIES[method].panels
        made.content.extend(training_figure(title, found, panels, "iteration", variants=True))
    rows = [
        _row(place if len(logs) > 1 else "", log)
        for (_, place), found in logs.items()
        for log in _by_variant(found)
    ]
    columns = ["Variant", "Seed", "Iterations", "Episodes"]
    columns += ["Agreement, %", "No answer, %", "Cut off, %", "KL", "Time"]
    made.content.append(Table("Where each run ended", columns, [Group("", rows)]))
    return made


def _by_variant(logs: Sequence[Log]) -> list[Log]:
    order = in_order(log.name for log in logs)
    return sorted(logs, key=lambda log: (order.index(log.name), log.seed))


def _row(chain: str, log: Log) -> list[Cell]:
    """The last iteration's diagnostics."""
    last = log.records[-1]
    spent = sum(sum(record["seconds"].values()) for record in log.records if record.get("seconds"))
    return [
        Cell(name(log.name), chain),
        Cell(str(log.seed)),
        Cell(count(last.get("iteration"))),
        Cell(count(last.get("episodes"))),
        Cell(percent(last.get("agreement"))),
        Cell(percent(last.get("no_answer"))),
        Cell(percent(last.get("truncated"))),
        Cell("–" if last.get("kl") is None else charts.plain(last["kl"])),
        Cell(seconds(spent)),
    ]
