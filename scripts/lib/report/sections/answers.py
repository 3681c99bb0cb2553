"""The section on more answers to learn from: the paper's Figure 11."""

from scripts.lib.report.drawing.charts import Series, line_panel
from scripts.lib.report.drawing.content import Figure, Section
from scripts.lib.report.drawing.styles import style
from scripts.lib.report.drawing.text import count
from scripts.lib.report.numbers.amounts import Amount, amounts
from scripts.lib.report.study import Study


def section(study: Study) -> Section | None:
    """A figure per data set, student and benchmark; None where all warm-ups learn the same answers."""
    made = Section(
        "answers",
        "More answers to learn",
        "Data distillation on more and more of the teacher's good answers: the paper's Figure 11.",
        made="accuracies as in Results; amounts from the teacher's answers.parquet and labels.parquet.",
    )
    for place, found in amounts(study).items():
        made.content.append(_figure(place, found))
    return made if made.content else None


def _figure(place: str, found: list[Amount]) -> Figure:
    series = Series(
        "SFT on good answers",
        style(5),
        [(each.relative, each.result.accuracy) for each in found],
        marked=True,
        bounds=[(each.result.low, each.result.high) for each in found],
    )
    label = "answers, relative to Ours's warm-up"
    panel = line_panel("Accuracy, %", [series], label, shares=True, whole=False)
    sizes = "; ".join(f"{each.name}: {count(each.number)}" for each in found)
    caption = f"Distinct good answers, of {sizes}. 95 % intervals."
    return Figure(f"Accuracy by the amount of answers (the paper's Figure 11), {place}", [panel], caption)
