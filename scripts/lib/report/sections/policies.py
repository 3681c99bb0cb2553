"""The section on policy optimisation: what policies were paid for, and what came of it."""

from collections.abc import Sequence

from scripts.lib.config.methods import POLICIES
from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.content import Cell, Figure, Group, Key, Panel, Section, Table
from scripts.lib.report.drawing.styles import variant_styles
from scripts.lib.report.drawing.text import count, percent, seconds
from scripts.lib.report.drawing.training_curves import training_figure
from scripts.lib.report.numbers.curves import Log, against, training_log
from scripts.lib.report.numbers.variants import algorithm, in_order, name
from scripts.lib.report.study import Study


def section(study: Study) -> Section:
    """A figure per chain, and a row per policy's run."""
    made = Section(
        "ppo",
        "Policy optimisation",
        "What policies were paid for, and what came of it. The reward's parts are logged one by one: the "
        "reward model's score, the −5 for no answer, and what the consistency check takes off where the "
        "answer is not the label's.",
        made="from each policy's metrics.jsonl, a record per iteration.",
    )
    logs: dict[tuple[str, str], list[Log]] = {}
    for chain in study.chains:
        for each in chain.trainings:
            if each.method in POLICIES:
                logs.setdefault((each.method, chain.name), []).append(training_log(chain, each))
    if not logs:
        return made.without("No policy has been optimised.")
    for (method, place), found in logs.items():
        algorithms = dict.fromkeys(algorithm(study, each.name) for each in _by_variant(found))
        title, panels = f"{', '.join(algorithms)}; {place}", POLICIES[method].panels
        made.content.extend(training_figure(title, found, panels, "iteration", variants=True))
        made.content.extend(_gamed(place, found))
    groups = [
        Group(place, [_row(algorithm(study, log.name), log) for log in _by_variant(found)])
        for (_, place), found in logs.items()
    ]
    columns = ["Variant", "Seed", "Iterations", "Episodes"]
    columns += ["Agreement, %", "No answer, %", "Cut off, %", "KL", "Time"]
    made.content.append(Table("Where each run ended", columns, groups))
    return made


VALIDATION = {
    "validation_accuracy": "Validation accuracy, %",
    "validation_agreement": "Validation: agrees with the vote, %",
}


def _gamed(place: str, logs: Sequence[Log]) -> list[Figure]:
    """The reward model's score against validation, over training: a reward that is gamed rises alone."""
    panels: list[Panel] = []
    legend: dict[str, Key] = {}
    for metric, title in VALIDATION.items():
        series = []
        for key, css in variant_styles(in_order(log.name for log in logs)).items():
            own = [against(log.records, "reward_model", metric) for log in logs if log.name == key]
            if lines := [line for line in own if line]:
                series.append(charts.Series(name(key), css, lines[0], lines[1:], marked=True))
                legend[key] = Key(name(key), css)
        if series:
            x = "reward model's score r"
            panels.append(charts.line_panel(title, series, x, shares=True, whole=False))
    caption = (
        "Each line follows a policy through training: r as of the iteration, validation at its end; the "
        "first seed marked, the others faint. To the right and down r rises while answers get worse: the "
        "reward is gamed."
    )
    return (
        [Figure(f"Reward against validation, {place}", panels, caption, [*legend.values()])] if panels else []
    )


def _by_variant(logs: Sequence[Log]) -> list[Log]:
    order = in_order(log.name for log in logs)
    return sorted(logs, key=lambda log: (order.index(log.name), log.seed))


def _row(algorithm: str, log: Log) -> list[Cell]:
    """The last iteration's diagnostics."""
    last = log.records[-1]
    spent = sum(sum(record["seconds"].values()) for record in log.records if record.get("seconds"))
    return [
        Cell(name(log.name), algorithm),
        Cell(str(log.seed)),
        Cell(count(last.get("iteration"))),
        Cell(count(last.get("episodes"))),
        Cell(percent(last.get("agreement"))),
        Cell(percent(last.get("no_answer"))),
        Cell(percent(last.get("truncated"))),
        Cell("–" if last.get("kl") is None else charts.plain(last["kl"])),
        Cell(seconds(spent)),
    ]
