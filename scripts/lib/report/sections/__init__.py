"""The page's sections, one file each: `section` makes tables and figures, or says what is missing."""

from collections.abc import Callable

from scripts.lib.report.drawing.content import Section
from scripts.lib.report.sections import (
    ablations,
    alarms,
    answers,
    choices,
    costs,
    curve,
    examples,
    guarantees,
    judges,
    pairs,
    policies,
    provenance,
    repeated,
    results,
    reward_models,
    reward_sweeps,
    trainings,
    votes,
    win_rates,
    wins,
)
from scripts.lib.report.study import Study

SECTIONS: tuple[Callable[[Study], Section | None], ...] = (
    alarms.section,
    results.section,
    curve.section,
    repeated.section,
    win_rates.section,
    ablations.section,
    answers.section,
    wins.section,
    pairs.section,
    votes.section,
    judges.section,
    trainings.section,
    reward_models.section,
    reward_sweeps.section,
    policies.section,
    guarantees.section,
    choices.section,
    examples.section,
    costs.section,
    provenance.section,
)
"""In the order of the page; a section that a study has no part in is None."""


def sections(study: Study) -> list[Section]:
    """All sections of a study's page, in order."""
    return [made for make in SECTIONS if (made := make(study))]
