"""How much warm-ups learn from: distinct good answers, by how many of them a query may give (Figure 11)."""

from dataclasses import dataclass

import polars as pl

from scripts.lib.data import tables
from scripts.lib.report.numbers.results import Result, Scoreboard, scoreboards
from scripts.lib.report.numbers.variants import name
from scripts.lib.report.study import Chain, Study
from scripts.lib.samples.read import gather


@dataclass(frozen=True)
class Amount:
    """A warm-up: how many answers it learns, on average over seeds, and relative to Ours's; its result."""

    name: str
    number: float
    relative: float
    result: Result


def amounts(study: Study) -> dict[str, list[Amount]]:
    """By data set, student and benchmark the warm-ups on good answers, by amount, where these differ.

    Teachers that are the same model and vote alike count as one: the one that votes for most of the warm-ups
    is Ours's, the others only have more samples (or fewer). Other votes give other labels.
    """
    places: dict[tuple[str, str, str, str], list[tuple[Scoreboard, str, float]]] = {}
    for board in scoreboards(study):
        block = study.config["teachers"][board.teacher]
        teacher = repr([block.get(key) for key in ("model", "pretrained", "vote")])
        found = places.setdefault((board.dataset, teacher, board.student, board.benchmark), [])
        for variant in board.results:
            if (number := _number(study, board, variant)) is not None:
                found.append((board, variant, number))
    made = {}
    for (dataset, _, student, benchmark), warmups in places.items():
        teachers = [board.teacher for board, *_ in warmups]
        own = max(teachers, key=teachers.count, default="")
        whole = [
            number
            for board, variant, number in warmups
            if board.teacher == own and _limit(study, variant) == 0
        ]
        if len({number for *_, number in warmups}) < 2 or not whole:
            continue
        rows = [
            Amount(
                name(variant) if board.teacher == own else f"{name(variant)}, {board.teacher}",
                number,
                number / whole[0],
                board.results[variant],
            )
            for board, variant, number in warmups
        ]
        made[f"{dataset}: {own} → {student}, on {benchmark}"] = sorted(rows, key=lambda row: row.number)
    return made


def _limit(study: Study, variant: str) -> int | None:
    """How many good answers a query gives to a variant that is SFT on these (0: all); None for others.

    SFT of matched compute sees the same answers more often, and is none of these.
    """
    block = study.config["variants"][variant]
    if block.get("answers") != "good" or block.get("matches"):
        return None
    limit: int = block["training"]["answers_per_query"]
    return limit


def _number(study: Study, board: Scoreboard, variant: str) -> float | None:
    """Examples that a warm-up learns from, the mean over seeds: of each query its limit at most.

    None for other variants, and where nobody votes.
    """
    limit = _limit(study, variant)
    names = (board.dataset, board.teacher, board.student)
    chains = [
        each
        for each in study.chains
        if (each.dataset, each.teacher, each.student) == names and each.labels and not each.judged
    ]
    if limit is None or not chains:
        return None
    sums = [
        int((good.clip(upper_bound=limit) if limit else good).sum()) for good in map(good_answers, chains)
    ]
    return sum(sums) / len(sums)


def good_answers(chain: Chain) -> pl.Series:
    """Of each labelled query how many distinct answers of the teacher are the label's: Eq. 2's set.

    Texts are compared as the warm-up compares them; those that were cut off are none.
    """
    labels = tables.read(chain.labels[0].labels, tables.LABELS).drop_nulls("label")
    said = gather(chain.labels[0].answers, "answer", "finish_reason", "text")
    good = said.join(labels.select("query_id", "label"), on="query_id").filter(
        pl.col("answer") == pl.col("label"), pl.col("finish_reason") == "stop"
    )
    return good.group_by("query_id").agg(pl.col("text").n_unique())["text"]
