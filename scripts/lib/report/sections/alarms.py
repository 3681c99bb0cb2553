"""The section on alarms, at the top where one rang: what went wrong while the study was made."""

from collections.abc import Iterator

from scripts.lib.config.methods import POLICIES
from scripts.lib.data import tables
from scripts.lib.process.alarms import Alarms, Ring, of_labels, of_reward_model, rang
from scripts.lib.report import read
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Chain, Study


def section(study: Study) -> Section | None:
    """A row per alarm that rang, by the config's thresholds; None where none did."""
    alarms = Alarms(**study.config["alarms"])
    rows = [
        [Cell(what, chain.name), Cell(str(chain.seed)), Cell(ring.text), Cell(f"alarms.{ring.key}")]
        for chain in study.chains
        for what, ring in _rings(alarms, chain)
    ]
    if not rows:
        return None
    lede = (
        "What passed a threshold while the study was made, as it did so first. An alarm is a reason to look, "
        "at the curves and at answers, before the numbers below are believed."
    )
    table = Table(
        "Alarms, each with the key of its threshold",
        ["Of", "Seed", "Alarm", "Key"],
        [Group("", rows)],
        made="From labels, Table 9 and each policy's metrics.jsonl, by the config's `alarms`.",
    )
    return Section("alarms", "Alarms", lede, [table])


def _rings(alarms: Alarms, chain: Chain) -> Iterator[tuple[str, Ring]]:
    """The alarms of a chain's labels, reward models and policies, each with its name."""
    for each in chain.labels[:1]:
        labels = tables.read(each.labels, tables.LABELS)["label"]
        for ring in of_labels(alarms, len(labels) - labels.null_count(), len(labels)):
            yield f"labels of {each.teacher}", ring
    for trained in chain.rewards:
        if trained.table9 is not None:
            for ring in of_reward_model(alarms, read.document(trained.table9)):
                yield f"reward model {trained.reward}", ring
    for training in chain.trainings:
        if training.method in POLICIES:
            for ring in rang(alarms, read.log(training.log)).values():
                yield name(training.variant), ring
