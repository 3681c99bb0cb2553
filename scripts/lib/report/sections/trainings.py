"""The section on trainings by examples: warm-ups, and whatever else has no reward model in its loop."""

from scripts.lib.config.methods import METHODS, POLICIES
from scripts.lib.report.drawing.content import Section
from scripts.lib.report.drawing.training_curves import training_figure
from scripts.lib.report.numbers.curves import Log, counter, training_log
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A figure per method and chain, a line per variant; None where nothing is trained so."""
    made = Section(
        "trainings",
        "Warm-up and other supervised trainings",
        "Loss of what was learnt, and what its checkpoints made of the validation questions.",
        made="from each training's metrics.jsonl.",
    )
    logs: dict[tuple[str, str], list[Log]] = {}
    for chain in study.chains:
        for each in chain.trainings:
            if each.method not in POLICIES:
                logs.setdefault((each.method, chain.name), []).append(training_log(chain, each))
    for (method, place), found in logs.items():
        title = f"{METHODS[method].name}, {place}"
        panels, x = METHODS[method].panels, counter(method)
        made.content.extend(training_figure(title, found, panels, x, variants=True))
    return made if made.content else None
