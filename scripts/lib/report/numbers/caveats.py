"""What weakens a table of scores: few questions, runs that are missing, answers of several engines."""

from collections.abc import Iterable, Mapping, Sequence

from scripts.lib.evaluation.intervals import wilson
from scripts.lib.report import read
from scripts.lib.report.numbers.results import Scoreboard
from scripts.lib.report.numbers.spending import versions
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Evaluation, Study

FEW = 400
"""Questions below which the 95 % interval of an accuracy near 50 % reaches 5 points to either side and more:
further than any gain over SFT in the paper's Table 3 on GSM8K."""


def caveats(study: Study, scoreboards: Sequence[Scoreboard]) -> list[str]:
    """A sentence for each of what weakens the table of these scoreboards."""
    runs = [run for run in study.evaluations if any(_of(run, board) for board in scoreboards)]
    return [*_few(scoreboards), *_missing(runs), *_mixed(runs)]


def several_tests(ps: Sequence[Mapping[str, float]]) -> list[str]:
    """What is said of a table's p where there are several: `ps`, as `corrected` gives them."""
    number = sum(map(len, ps))
    return [f"p: corrected for the table's {number} comparisons (Holm); intervals are not."] * (number > 1)


def _of(run: Evaluation, board: Scoreboard) -> bool:
    place = (run.dataset, run.teacher, run.student, run.benchmark)
    own = (board.dataset, board.teacher, board.student, board.benchmark)
    return place == own and run.variant in board.results


def _few(scoreboards: Iterable[Scoreboard]) -> list[str]:
    fewest = min(result.per_run for board in scoreboards for result in board.results.values())
    if fewest >= FEW:
        return []
    half = wilson(fewest / 2, fewest).high - 1 / 2
    return [f"Few questions: {fewest} tell an accuracy near 50 % to within {100 * half:.0f} points."]


def _missing(runs: Iterable[Evaluation]) -> list[str]:
    """The variants that lack a seed which another variant of the same place has."""
    seeds: dict[tuple[str, str, str], dict[str, set[int]]] = {}
    for run in runs:
        place = seeds.setdefault((run.dataset, run.teacher, run.student), {})
        place.setdefault(run.variant, set()).add(run.seed)
    found = []
    for place in seeds.values():
        every = set.union(*place.values())
        found += [
            f"{name(variant)} lacks {', '.join(map(str, sorted(every - there)))}"
            for variant, there in place.items()
            if there != every
        ]
    return [f"Missing seeds: {'; '.join(dict.fromkeys(found))}."] if found else []


def _mixed(runs: Iterable[Evaluation]) -> list[str]:
    """Who answered, where that is not the same engine in the same versions for all."""
    engines: dict[str, list[str]] = {}
    for run in runs:
        said = read.document(run.ledger)
        engines.setdefault(f"{said['engine']} ({versions(said)})", []).append(name(run.variant))
    if len(engines) < 2:
        return []
    found = "; ".join(f"{engine}: {', '.join(dict.fromkeys(names))}" for engine, names in engines.items())
    return [f"Mixed versions answered the questions: {found}."]
