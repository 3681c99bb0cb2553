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


def caveats(study: Study, scoreboards: Sequence[Scoreboard], seeds: Iterable[int] = ()) -> list[str]:
    """A sentence for each of what weakens the table of these scoreboards; `seeds`: see `missing_seeds`."""
    runs = [run for run in study.evaluations if any(_of(run, board) for board in scoreboards)]
    fewest = min(result.per_run for board in scoreboards for result in board.results.values())
    return of_runs(runs, fewest, seeds)


def of_runs(runs: Sequence[Evaluation], questions: int, seeds: Iterable[int] = ()) -> list[str]:
    """The same of a table of evaluations, of which the smallest has so many questions."""
    benchmarks = {run.benchmark for run in runs}
    found = [
        (
            f"{run.dataset}: {run.teacher} → {run.student}"
            + (f", {run.benchmark}" if len(benchmarks) > 1 else ""),
            name(run.variant),
            run.seed,
        )
        for run in runs
    ]
    return [*few(questions), *missing_seeds(found, seeds), *_mixed(runs)]


def several_tests(ps: Sequence[Mapping[str, float]]) -> list[str]:
    """What is said of a table's p where there are several: `ps`, as `corrected` gives them."""
    number = sum(map(len, ps))
    return [f"p: corrected for the table's {number} comparisons (Holm); intervals are not."] * (number > 1)


def _of(run: Evaluation, board: Scoreboard) -> bool:
    place = (run.dataset, run.teacher, run.student, run.benchmark)
    own = (board.dataset, board.teacher, board.student, board.benchmark)
    return place == own and run.variant in board.results


def few(questions: int) -> list[str]:
    """What so many questions cannot tell; nothing where they are `FEW` or more."""
    if questions >= FEW:
        return []
    half = wilson(questions / 2, questions).high - 1 / 2
    return [f"Few questions: {questions} tell an accuracy near 50 % to within {100 * half:.0f} points."]


def missing_seeds(found: Iterable[tuple[str, str, int]], seeds: Iterable[int] = ()) -> list[str]:
    """What lacks a seed that anything else in the table has, or one of `seeds`, those of its like.

    `found`: where it stands, its name, and the seed, of everything in the table. What all of a place lack is
    said of the place.
    """
    places: dict[str, dict[str, set[int]]] = {}
    for place, named, seed in found:
        places.setdefault(place, {}).setdefault(named, set()).add(seed)
    every = {*seeds, *(seed for each in places.values() for there in each.values() for seed in there)}
    said = []
    for place, each in places.items():
        held = set.union(*each.values())
        whole = every - held
        lacking = {place: whole, **{named: every - there - whole for named, there in each.items()}}
        said += [
            f"{what} lacks {', '.join(map(str, sorted(lost)))}" for what, lost in lacking.items() if lost
        ]
    return [f"Missing seeds: {'; '.join(dict.fromkeys(said))}."] if said else []


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
