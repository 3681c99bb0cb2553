"""Cards: what a study's report found of its models -> copies of their cards, with its numbers."""

from collections.abc import Iterator
from pathlib import Path

from scripts.lib.data.files import whole_folder, write_text
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.report.drawing.beside import PAPER
from scripts.lib.report.drawing.text import count, interval, percent, points
from scripts.lib.report.results_file import OfVariant, ResultsFile, Setting, read_results
from scripts.lib.report.sections.reward_models import TABLE
from scripts.lib.training.export import UNEVALUATED, named

NEVER = "Not evaluated: no row of the study asks for it."


def evaluation(found: ResultsFile, model: str) -> str:
    """What a study's results say of a model, as `named` calls its folder, in Markdown."""
    names = dict(part.split("=", 1) for part in model.split("/") if "=" in part)
    lines = list(_reward(found, names) if "reward" in names else _student(found, names))
    if not lines:
        return NEVER
    commit = found.provenance.commit or "not known"
    return "\n".join(
        [f"By the report of study {found.study} (commit {commit}), on held-out data.", "", *lines]
    )


def _student(found: ResultsFile, names: dict[str, str]) -> Iterator[str]:
    """A row per benchmark, under a head."""
    place = [names["dataset"], names["teacher"], names["student"]]
    rows = [
        _row(setting, each, int(names["seed"]))
        for setting in found.settings
        for each in setting.variants
        if [setting.dataset, setting.teacher, setting.student] == place and each.variant == names["variant"]
    ]
    if rows:
        yield "| benchmark | measure | this model, % | questions | mean over seeds, % | against, points |"
        yield "|---|---|--:|--:|--:|--:|"
    yield from rows


def _row(setting: Setting, found: OfVariant, seed: int) -> str:
    own = next(
        ((percent(each.value), count(each.n)) for each in found.seeds if each.seed == seed), ("–", "–")
    )
    mean = f"{percent(found.value)} ({interval(found.low, found.high)}; {len(found.seeds)} seeds)"
    other = found.against
    against = "–"
    if other:
        doubt = interval(other.low, other.high, True)
        against = f"{other.baseline}: {points(other.difference)} ({doubt})"
    cells = [setting.benchmark, setting.measure, *own, mean, against]
    return f"| {' | '.join(cells)} |"


def _reward(found: ResultsFile, names: dict[str, str]) -> Iterator[str]:
    """Of a reward model the row of Table 9, a line per measure."""
    chain = f"{names['dataset']}: {names['teacher']} → {names['student']}"
    own = {"Chain": chain, "Chain (small)": names["reward"], "Seed": names["seed"]}
    for record in (record for each in found.shown if each.title == TABLE for record in each.records):
        if all(record.get(key) == value for key, value in own.items()):
            yield "| measure | value |"
            yield "|---|--:|"
            for column, value in record.items():
                if column not in own and not column.startswith(PAPER) and not column.endswith(" (small)"):
                    small = record.get(f"{column} (small)")
                    yield f"| {column} | {value}{f' ({small})' if small else ''} |"


def main(results: Path, models: list[Path], output: Path) -> None:
    """Write the cards.

    Args:
        results: the study's results.json.
        models: the folders of its models, each with its card.
        output: a folder of cards, each under its model's place in results/.
    """
    found = read_results(results)
    with whole_folder(output) as draft:
        for model in models:
            file = model / "README.md"
            card = file.read_text(encoding="utf-8") if file.is_file() else ""
            if UNEVALUATED not in card:
                raise UserError(f"{file} is no card of this version; delete {model} and run again")
            text = card.replace(UNEVALUATED, evaluation(found, named(model)))
            write_text(text, draft / named(model) / "README.md")


if __name__ == "__main__":
    cli(main)
