"""The section on votes: how many queries a threshold labels, and how many of them rightly."""

from collections.abc import Sequence

import polars as pl

from scripts.lib.data import tables
from scripts.lib.evaluation.intervals import wilson
from scripts.lib.labels.settings import Vote
from scripts.lib.report.drawing import charts
from scripts.lib.report.drawing.bars import Part, stacked_panel
from scripts.lib.report.drawing.beside import NONE, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Figure, Group, Key, Panel, Section, Table
from scripts.lib.report.drawing.styles import style
from scripts.lib.report.drawing.text import count, percent
from scripts.lib.report.numbers.published import published
from scripts.lib.report.numbers.votes import ballots, calibration, pluralities, rightly, share_bars, verdicts
from scripts.lib.report.study import Chain, Labels, Study

Voted = tuple[Labels, pl.DataFrame]
"""Labels, and what `pluralities` finds for them."""


def section(study: Study) -> Section:
    """Vote share against precision, drawn per data set and teacher; Table 10 and Figure 9, a row per seed."""
    made = Section(
        "votes",
        "What a vote is worth",
        "A label is kept when enough of the teacher's samples agree. A higher threshold labels fewer "
        "queries, and more of them rightly. Reference answers of training queries are read here, for "
        "diagnosis, and by no training step.",
        made="labels.parquet, and the teacher's answers.parquet, voted on again at every threshold, against "
        "the training questions' golds.",
    )
    drawn, shown = set(), set()
    judged: dict[tuple[str, str], Panel] = {}
    rows: list[list[Cell]] = []
    said_rows: list[list[Cell]] = []
    for chain in study.chains:
        golds = tables.read(chain.golds, tables.GOLDS)
        if chain.judged or golds.is_empty():
            continue
        found: list[Voted] = []
        for labels in chain.labels:
            if labels.labels in shown:
                continue
            shown.add(labels.labels)
            said = ballots(labels)
            found.append((labels, pluralities(said, golds, chain.task, labels.vote.m)))
            labelled = tables.read(labels.labels, tables.LABELS)
            verdict = verdicts(said, labelled, golds, chain.task)
            right = rightly(labelled, said, golds, chain.task)
            rows.append(_row(chain, *found[-1], labelled, right))
            said_rows.append(_verdict_row(study, chain, labels, labelled, right, verdict))
            if (chain.dataset, labels.teacher) not in judged:
                judged[chain.dataset, labels.teacher] = _verdict_panel(chain, labels, verdict)
        place = (chain.dataset, chain.teacher)
        if found and place not in drawn:
            drawn.add(place)
            made.content.append(_figure(f"{chain.dataset}: {chain.teacher}, seed {chain.seed}", found))
    if not rows and study.chains and all(chain.judged for chain in study.chains):
        return made.without("Nothing is voted on: the teacher scores each response.")
    if not rows:
        return made.without(
            "There are no reference answers of the training queries to hold the votes against."
        )
    shares = ["Labelled, %", "Of those right, %", "Right without a threshold, %"]
    columns = ["Votes of", "Seed", "Threshold", *shares, "Queries"]
    made.content.append(Table("Pseudo-labels", columns, [Group("", rows)]))
    columns = [
        "Votes of",
        "Seed",
        "No label, %",
        f"{PAPER}: no label, %",
        "Labels right, %",
        "Called right: it is, %",
        "Called wrong: it is, %",
    ]
    notes = [
        "As the paper's Table 10 (queries without a label) and Figure 9: the label's verdict on the samples "
        "that voted, against the reference answer. Small: labels, or samples. A sample without an answer is "
        "called wrong, and is."
    ]
    made.content.append(beside("The teacher's verdict on itself", columns, [Group("", said_rows)], notes))
    caption = (
        "Samples that voted on a labelled query, in % of all of them: left those that the label calls wrong, "
        "right those that it calls right. Dashed: where the reference answer says otherwise."
    )
    legend = [Key("right by the reference answer", "right"), Key("wrong", "wrong")]
    title = "The teacher's verdict on itself (the paper's Figure 9)"
    made.content.append(Figure(title, list(judged.values()), caption, legend))
    return made


def _verdict_panel(chain: Chain, labels: Labels, said: dict[bool, tuple[int, int]]) -> Panel:
    """Figure 9 of a data set and teacher: two bars, each divided by the reference answers."""
    bars = []
    for verdict, name in ((False, "called wrong"), (True, "called right")):
        agrees, n = said[verdict]
        truths = {verdict: agrees, not verdict: n - agrees}
        parts = [
            Part("right", truths[True], "right", verdict),
            Part("wrong", truths[False], "wrong", not verdict),
        ]
        bars.append((name, sorted(parts, key=lambda part: not part.agrees)))
    return stacked_panel(f"{chain.dataset}: {labels.teacher}, seed {chain.seed}", bars)


def _verdict_row(
    study: Study,
    chain: Chain,
    labels: Labels,
    labelled: pl.DataFrame,
    right: tuple[int, int],
    said: dict[bool, tuple[int, int]],
) -> list[Cell]:
    without = labelled["label"].null_count() / max(len(labelled), 1)
    shares = [
        Cell(percent(agrees / n if n else None), f"n = {count(n)}")
        for agrees, n in (right, said[True], said[False])
    ]
    paper = published(study, "no_label", dataset=chain.dataset, teacher=labels.teacher).get("vote")
    theirs = Cell(NONE if paper is None else percent(float(paper), 0))
    return [
        Cell(labels.teacher, chain.dataset),
        Cell(str(chain.seed)),
        Cell(percent(without)),
        theirs,
        *shares,
    ]


def _instead(vote: Vote) -> str:
    """What labels are that are not just the votes' winners, in a few words; "" where they are these."""
    said = ["reference answers"] if vote.by == "golds" else []
    said += [f"{percent(vote.noise, 0)} % replaced"] if vote.noise else []
    return ", ".join(said)


def _at(vote: Vote, curve: Sequence[tuple[float, float, float]]) -> tuple[float, float] | None:
    """Coverage and precision at the threshold in use; None where nothing passes, or labels are others."""
    if _instead(vote):
        return None
    passing = (point for threshold, *point in curve if threshold >= vote.threshold - 1e-9)
    return next(((coverage, precision) for coverage, precision in passing), None)


def _figure(place: str, found: Sequence[Voted]) -> Figure:
    series, rings = [], []
    for index, (labels, voted) in enumerate(found):
        curve = calibration(voted)
        points = sorted((coverage, precision) for _, coverage, precision in curve)
        series.append(charts.Series(labels.teacher, style(index), points, (), True))
        rings += [at for at in [_at(labels.vote, curve)] if at]
    curves = charts.line_panel(
        "Precision, %, over coverage", series, "queries labelled, %", shares=True, highlight=rings
    )
    diagrams = [
        charts.line_panel(
            "Reliability: right, %, by vote share", [line], "vote share, %", shares=True, diagonal=True
        )
        for index, (labels, voted) in enumerate(found)
        if (line := _reliability(labels.teacher, style(index), share_bars(voted))).points
    ]
    bars = [
        charts.share_panel(
            f"Queries by vote share: {labels.teacher}",
            share_bars(voted),
            None if _instead(labels.vote) else labels.vote.threshold,
        )
        for labels, voted in found
    ]
    legend = [Key(each.name, each.css) for each in series]
    legend += [Key("answer right", "right"), Key("answer wrong", "wrong")]
    first = f"First: a point per threshold{', the ring the one in use' if rings else ''}."
    caption = (
        f"{first} Then, for each choice of votes: how often the most frequent answer is right, by its share "
        "of the votes (tenths, each at its mean share; Wilson intervals, above them the number of queries; "
        "on the dashed line a share says how often it is right); and the queries by that share, right and "
        "wrong."
    )
    for labels, _ in found:
        if other := _instead(labels.vote):
            caption += f" Of {labels.teacher} these are the votes alone, not its labels ({other})."
    return Figure(f"Vote share and precision, {place}", [curves, *diagrams, *bars], caption, legend)


def _reliability(teacher: str, css: str, bars: Sequence[tuple[float, int, int]]) -> charts.Series:
    """Vote share against the share of right answers, with intervals and numbers of queries."""
    found = [(share, wilson(right, right + wrong)) for share, right, wrong in bars]
    return charts.Series(
        teacher,
        css,
        [(share, each.value) for share, each in found],
        marked=True,
        bounds=[(each.low, each.high) for _, each in found],
        notes=[count(each.n) for _, each in found],
    )


def _row(
    chain: Chain, labels: Labels, voted: pl.DataFrame, labelled: pl.DataFrame, right: tuple[int, int]
) -> list[Cell]:
    """What the labels in use are worth, and where votes give them, what votes are without a threshold."""
    vote, other, curve = labels.vote, _instead(labels.vote), calibration(voted)
    threshold = Cell(f"{vote.threshold:g}", f"of {vote.m} votes{other and f', {other}'}")
    agrees, n = right
    return [
        Cell(labels.teacher, chain.dataset),
        Cell(str(chain.seed)),
        Cell(NONE, other) if vote.by == "golds" else threshold,
        Cell(percent(labelled["label"].count() / max(len(labelled), 1))),
        Cell(percent(agrees / n if n else None)),
        Cell(percent(curve[0][2] if curve and not other else None)),
        Cell(count(len(labelled))),
    ]
