"""Lay the sections out: one HTML file that needs nothing else, and the same tables as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scripts.lib.report.blocks import (
    NARROW,
    Cell,
    Section,
    count,
    interval,
    percent,
    percentage,
    points,
    probability,
)
from scripts.lib.report.results import Setting, name
from scripts.lib.report.strips import Dots, Mark, dot_axis
from scripts.lib.report.table3 import held_against

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Headline:
    """The first screen: a sentence, a number with its doubt, and a chart."""

    sentence: str
    number: str = ""
    unit: str = ""
    doubt: Sequence[str] = ()
    dots: Dots | None = None


def headline(settings: Sequence[Setting]) -> Headline:
    """What the study found about Ours against SFT (else w/o R); without both, the variants there are."""
    compared = [each for each in settings if "ours" in each.results and each.results["ours"].against]
    if not settings:
        return Headline("Nothing has been scored yet.")
    if not compared:
        return Headline("Ours and SFT have not both been scored yet.", dots=_variants(settings[0]))
    return _one(compared[0]) if len(compared) == 1 else _several(compared)


def _one(setting: Setting) -> Headline:
    ours, first = setting.results["ours"], setting.results[setting.baseline]
    against = ours.against
    judged = setting.judged
    what = (
        f"wins {percentage(ours.accuracy)} against {judged.reference}"
        if judged
        else f"gets {percentage(ours.accuracy)} of held-out questions right"
    )
    sentence = f"Distilling answers and judgement {what}; answers alone, {percentage(first.accuracy)}."
    doubt = [f"95{NARROW}% interval {interval(against.low, against.high, True)}"]
    if against.clear == 0:
        doubt.append("which includes zero: no difference is shown")
    if judged and not judged.official:
        doubt.append(f"judged by {judged.judge}: not comparable with published numbers")
    size = f"{count(ours.n)} {'instructions' if judged else 'questions'}"
    if len(ours.seeds) > 1:
        size += f" × {len(ours.seeds)} seeds"
        if against.seed_low is not None:
            doubt.append(
                f"t interval over the seeds alone {interval(against.seed_low, against.seed_high, True)}"
            )
    else:
        size += ", one seed"
    doubt.append(size)
    if against.worst_p is not None:
        which = ", seed that differs least" if len(against.tests) > 1 else ""
        doubt.append(f"McNemar p {_equals(probability(against.worst_p))}{which}")
    elif judged:
        doubt.append(f"paired bootstrap p {_equals(probability(against.p))}")
    return Headline(
        sentence,
        points(against.difference),
        f"points{' of win rate' if judged else ''}: Ours against {name(setting.baseline)}",
        doubt,
        _variants(setting),
    )


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _variants(setting: Setting) -> Dots:
    teacher = setting.results.get("teacher")
    marks = [
        Mark(
            name(variant),
            f"v-{variant}",
            result.accuracy,
            result.low,
            result.high,
            [accuracy for accuracy, _, _ in result.seeds.values()] if len(result.seeds) > 1 else [],
            variant == "ours",
            percent(result.accuracy),
            interval(result.low, result.high),
        )
        for variant, result in setting.results.items()
    ]
    reference = (teacher.accuracy, "teacher") if teacher else None
    what = f"Win rate on {setting.benchmark}" if setting.judged else f"Accuracy on {setting.benchmark}"
    caption = f"{what}, %, with 95 % intervals"
    return Dots(caption, marks, dot_axis(marks, reference), reference)


def _several(settings: Sequence[Setting]) -> Headline:
    found = [(setting, setting.results["ours"].against) for setting in settings]
    above = sum(against.difference > 0 for _, against in found)
    clear = sum(against.clear > 0 for _, against in found)
    below = sum(against.clear < 0 for _, against in found)
    mean = sum(against.difference for _, against in found) / len(found)
    names = [f"{each.teacher} → {each.student}, {each.benchmark}" for each in settings]
    if len(set(names)) < len(names):
        names = [f"{each.dataset}: {label}" for each, label in zip(settings, names, strict=True)]
    marks = [
        Mark(
            label,
            "v-ours" if against.clear > 0 else "",
            against.difference,
            against.low,
            against.high,
            text=points(against.difference),
            detail=interval(against.low, against.high, True),
        )
        for label, (_, against) in zip(names, found, strict=True)
    ]
    doubt = [
        f"the interval excludes zero in {clear} of them"
        + (f", and lies below it in {below} more" if below else ""),
        f"differences run from {points(min(a.difference for _, a in found))} to {points(max(a.difference for _, a in found))}",
    ]
    if any(each.judged and not each.judged.official for each in settings):
        doubt.append("win rates by an own judge are not comparable with published numbers")
    first = held_against(settings)
    reference = (0.0, first)
    dots = Dots(
        f"Ours against {first}, points, with 95 % intervals",
        marks,
        dot_axis(marks, reference),
        reference,
        True,
    )
    alone = "supervised fine-tuning" if first == "SFT" else first
    sentence = f"Ours is above {alone} in {above} of {len(found)} settings."
    return Headline(sentence, points(mean), f"points: Ours against {first}, mean over settings", doubt, dots)


def html(study: str, note: str, top: Headline, sections: Sequence[Section]) -> str:
    """The page. Everything that is not our own markup is escaped."""
    environment = _environment(autoescape=True)
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    template = environment.get_template("template.html.j2")
    return template.render(study=study, note=note, top=top, sections=sections, style=style) + "\n"


def markdown(study: str, note: str, top: Headline, sections: Sequence[Section]) -> str:
    """The headline and every table, for a terminal or a pull request."""
    environment = _environment(autoescape=False)
    environment.filters["cell"] = _markdown_cell
    environment.filters["plain"] = _markdown_text
    text = environment.get_template("template.md.j2").render(
        study=study, note=note, top=top, sections=sections
    )
    return text.strip() + "\n"


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["kind"] = lambda block, kind: type(block).__name__ == kind
    return environment


def _markdown_text(text: Any) -> str:
    """Text that cannot leave its cell or become markup."""
    for sign in "\\`*_[]<>|#":
        text = str(text).replace(sign, f"\\{sign}")
    return " ".join(text.split(" ")).replace("\n", " ")


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    text = f"**{text}**" if cell.best else text
    text += " ▲" if cell.above_teacher else ""
    return f"{text} ({_markdown_text(cell.detail)})" if cell.detail else text
