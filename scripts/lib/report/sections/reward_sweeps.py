"""The section on reward models under other settings: the paper's Figures 7 and 8."""

from collections.abc import Mapping, Sequence

from scripts.lib.report.drawing.bars import Bar, bar_panel
from scripts.lib.report.drawing.charts import Series, line_panel
from scripts.lib.report.drawing.content import Figure, Section
from scripts.lib.report.drawing.styles import style
from scripts.lib.report.numbers.sweeps import over_seeds, swept
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, Study

PAIRS = {"teacher_over_wrong": "Pos/Neg", "teacher_over_student": "Pos/Pos"}
"""Table 9's measures by the paper's names."""


def section(study: Study) -> Section | None:
    """A figure per chain and setting that its reward models differ by; None where none do."""
    made = Section(
        "sweeps",
        "Reward models by setting",
        "How well reward models that differ by one setting alone rank held-out pairs: a right answer of the "
        "teacher over a wrong one of the student (Pos/Neg), and over a right one (Pos/Pos).",
        made="from each reward's table9.json; over several seeds a t interval, of one Wilson's.",
    )
    chains: dict[str, list[Chain]] = {}
    for chain in study.chains:
        chains.setdefault(chain.name, []).append(chain)
    for place, found in chains.items():
        if ratios := swept(study, found, "pairs", "teacher_ratio"):
            made.content.append(_ratios(place, ratios))
        if weights := swept(study, found, "training", "lam"):
            made.content.append(_weights(place, weights))
    return made if made.content else None


def _ratios(place: str, found: Mapping[float, Sequence[Record]]) -> Figure:
    """Figure 7: a cluster per measure, a bar per ratio, the darker the more pairs are the teacher's."""
    clusters = []
    for measure, text in PAIRS.items():
        bars = []
        for number, (ratio, tables) in enumerate(found.items()):
            shade = number / (len(found) - 1)
            if estimate := over_seeds([each[measure] for each in tables]):
                bars.append(Bar(f"{ratio:g}", estimate.value, estimate.low, estimate.high, shade))
        clusters.append((text, bars))
    caption = (
        "Teacher pairs (T⁺ ≻ S⁺) for one student pair (S⁺ ≻ S⁻) of equally many training pairs; darker: more "
        "of the teacher's. 95 % intervals; chance is 50."
    )
    title = f"Ratio of teacher's to student's pairs (the paper's Figure 7), {place}"
    panel = bar_panel("Held-out pairs ranked rightly, %", [each for each in clusters if each[1]])
    return Figure(title, [panel], caption)


def _weights(place: str, found: Mapping[float, Sequence[Record]]) -> Figure:
    """Figure 8: Pos/Neg over lambda, and Pos/Pos beside it."""
    panels = []
    for number, (measure, text) in enumerate(PAIRS.items()):
        points, bounds = [], []
        for value, tables in found.items():
            if estimate := over_seeds([each[measure] for each in tables]):
                points.append((value, estimate.value))
                bounds.append((estimate.low, estimate.high))
        if points:
            series = Series(text, style(number), points, marked=True, bounds=bounds)
            panels.append(line_panel(f"{text}, %", [series], "λ", shares=True, whole=False))
    caption = "Weight λ of the classification loss in Eq. 9. 95 % intervals; chance is 50."
    return Figure(f"Weight of the classification loss (the paper's Figure 8), {place}", panels, caption)
