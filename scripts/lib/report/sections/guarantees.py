"""The section on App. A: what the pseudo-reward's error guarantees of the gain, beside the gain that came."""

from scripts.lib.config.methods import POLICIES
from scripts.lib.report import read
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import count, percent, points
from scripts.lib.report.numbers.caveats import few, missing_seeds
from scripts.lib.report.numbers.guarantee import Guarantee, guarantee
from scripts.lib.report.numbers.variants import in_order, name
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A row per policy and seed, under a heading per chain; None where nothing was measured."""
    groups: dict[str, list[list[Cell]]] = {}
    measured: list[tuple[str, str, int]] = []
    questions: list[int] = []
    for chain in study.chains:
        policies = {each.variant: each.log for each in chain.trainings if each.method in POLICIES}
        for variant in in_order(policies):
            if found := guarantee(read.log(policies[variant])):
                groups.setdefault(chain.name, []).append(_row(variant, chain.seed, found))
                measured.append((chain.name, name(variant), chain.seed))
                questions.append(found.n)
    if not groups:
        return None
    made = Section(
        "guarantee",
        "What the pseudo-reward guarantees",
        "Appendix A: where the pseudo-reward r_p is never further than ε from the true reward r*, the true "
        "gain is at least Δ_p − 2 ε. Reference answers of validation questions chose these policies, and say "
        "what is true here.",
        made="from each policy's metrics.jsonl: its validations at iteration 0 and at the chosen one.",
    )
    columns = ["Policy", "Seed", "Largest error ε, %", "Mean error before, %", "after, %", "Δ_p, points"]
    columns += ["Bound by ε, points", "Bound by mean errors, points", "Gain that came, points", "Questions"]
    notes = [
        *few(min(questions)),
        *missing_seeds(measured),
        "r_p: the sigmoid of the reward (of no answer, of −5), of the answers that validated the training; "
        "r*: 1 if the answer is right, else 0; no discount, as a response is one action. A bound below 0 "
        "guarantees nothing, and one wrong answer that the reward model is sure of makes ε nearly 1. By mean "
        "errors: Δ_p less both policies' mean |r_p − r*|, by the same steps of the proof. The policy was "
        "chosen by these questions, which flatters its gain; Results holds what it gains on others.",
    ]
    content = [Group(place, rows) for place, rows in groups.items()]
    made.content.append(Table("App. A, measured", columns, content, notes))
    return made


def _row(variant: str, seed: int, found: Guarantee) -> list[Cell]:
    return [
        Cell(name(variant)),
        Cell(str(seed)),
        *(Cell(percent(each, 1)) for each in (found.largest, found.before, found.after)),
        *(Cell(points(each)) for each in (found.pseudo, found.bound, found.mean_bound, found.gain)),
        Cell(count(found.n)),
    ]
