"""Compare studies: the settings and numbers in which they differ, as tables here and as a page.

Usage: python -m scripts.commands.compare A B [MORE ...]. Each is a study's name, its results.json, a folder
that holds one, or another run's folder with one study; the first is what the others are held against.
"""

from pathlib import Path
from typing import Annotated

import tyro

from scripts.lib.data.files import write_text
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.report import comparison
from scripts.lib.report.drawing import page
from scripts.lib.report.results_file import ResultsFile, read_results

REPORTS = Path("results/reports")


def find(place: str) -> Path:
    """The results.json that a study's name, a file or a folder means. Raises UserError naming what to do."""
    path = Path(place)
    own = [path] if path.is_file() else [REPORTS / place / "results.json", path / "results.json"]
    if found := [each for each in own if each.is_file()]:
        return found[0]
    several = sorted((path / REPORTS).glob("*/results.json"))
    if len(several) == 1:
        return several[0]
    if several:
        names = ", ".join(each.parent.name for each in several)
        raise UserError(f"{place} has several studies ({names}); name one, such as {several[0].parent}")
    raise UserError(
        f"{place}: no study's results; make run STUDY={path.name or place}, or name a results.json"
    )


def named(places: list[str]) -> list[tuple[str, ResultsFile]]:
    """Each study's results under its name, under what it was asked for by where names are the same."""
    found = [read_results(find(place)) for place in places]
    studies = [each.study for each in found]
    labels = studies if len(set(studies)) == len(studies) else places
    if len(set(labels)) < len(labels):
        raise UserError(f"{places[0]} stands there more than once; name different studies or folders")
    return list(zip(labels, found, strict=True))


def main(studies: Annotated[list[str], tyro.conf.Positional], output: Path = Path("compare.html")) -> None:
    """Print the comparison as Markdown and write it as a page.

    Args:
        studies: two or more: names of studies, results.json files, or folders.
        output: the page.
    """
    if len(studies) < 2:
        raise UserError("one study has nothing to be compared with; name two or more")
    found = named(studies)
    title, note = " and ".join(label for label, _ in found), ""
    top, parts = comparison.headline(found), comparison.sections(found)
    print(page.markdown(title, note, top, parts), end="")
    write_text(page.html(title, note, top, parts), output)


if __name__ == "__main__":
    cli(main)
