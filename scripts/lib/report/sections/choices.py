"""The section on how checkpoints were chosen, and how far that can be trusted."""

import polars as pl

from scripts.lib.config.methods import REWARD
from scripts.lib.data import tables
from scripts.lib.evaluation.choice import BY, Choice, answers_each, warning
from scripts.lib.report.drawing.beside import NONE
from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import count, interval, percent
from scripts.lib.report.numbers.curves import Point, best_ranking, choice_of, curve, reward_log
from scripts.lib.report.numbers.variants import algorithm, in_order, name
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, RewardModel, Study, Training


def section(study: Study) -> Section | None:
    """A row per training that validation questions have chosen of, and per reward model; None where there is
    none."""
    order = in_order(each.variant for chain in study.chains for each in chain.trainings)
    found = [
        (chain, each, told)
        for chain in study.chains
        for each in sorted(chain.trainings, key=lambda each: order.index(each.variant))
        if (told := choice_of(each))
    ]
    rewards = [
        (chain, each, records, best)
        for chain in study.chains
        for each in chain.rewards
        if (best := best_ranking(records := reward_log(chain, each).records))
    ]
    if not found and not rewards:
        return None
    made = Section(
        "choice",
        "How checkpoints were chosen",
        "Each training keeps the checkpoint whose answers to held-out validation questions are best, a "
        "reward model the one that ranks most validation pairs rightly. Being the best of several, its "
        "number is optimistic; where many candidates lie within its interval, the choice says little.",
        made="from each training's metrics.jsonl, the pairs' numbers from pairs.parquet; Wilson intervals of "
        "the best validation.",
    )
    columns = ["Variant", "Seed", "Chosen by", "Questions", "Best, % or score", "At", "Candidates", "Within"]
    groups: dict[str, list[list[Cell]]] = {}
    for chain, each, told in found:
        groups.setdefault(chain.name, []).append(_row(algorithm(study, each.variant), chain, each, told))
    for chain, reward, records, best in rewards:
        groups.setdefault(chain.name, []).append(_reward_row(chain, reward, records, best))
    few = sorted({told.best.n for _, _, told in found if warning(told.best.n)})
    notes = ["Small: 95 % interval. Within: candidates that it holds, the best among them."]
    if rewards:
        notes.append("A reward model's pairs share questions and are not logged one by one: no interval.")
    made.content.append(
        Table(
            "The chosen checkpoints",
            columns,
            [Group(place, rows) for place, rows in groups.items()],
            [*notes, *(f"{warning(n)}." for n in few)],
        )
    )
    return made


def _row(algorithm: str, chain: Chain, training: Training, told: Choice) -> list[Cell]:
    each = 1 if told.metric == "score" else answers_each(told.best.n)
    return [
        Cell(name(training.variant), algorithm),
        Cell(str(chain.seed)),
        Cell(BY[told.metric]),
        Cell(count(told.best.n), f"{each} answers each" if each > 1 else ""),
        _best(told),
        Cell(count(told.step)),
        Cell(count(told.candidates)),
        Cell(count(told.within)),
    ]


def _reward_row(chain: Chain, reward: RewardModel, records: list[Record], best: Point) -> list[Cell]:
    pairs = tables.read(reward.pairs, tables.PAIRS).filter(pl.col("split") == "validation")
    step, accuracy = best
    return [
        Cell(reward.reward, REWARD.name),
        Cell(str(chain.seed)),
        Cell("validation pairs ranked rightly"),
        Cell(count(pairs["query_id"].n_unique()), f"{count(pairs.height)} pairs"),
        Cell(percent(accuracy)),
        Cell(count(step)),
        Cell(count(len(curve(records, "eval_accuracy", "step")))),
        Cell(NONE),
    ]


def _best(told: Choice) -> Cell:
    value, _, low, high = told.best
    if told.metric == "score":
        return Cell(f"{value:.2f}", f"{low:.2f} to {high:.2f}")
    return Cell(percent(value), interval(low, high))
