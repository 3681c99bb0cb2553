"""The section on the teacher as its own judge: the paper's Table 5, where a study's rows ask for it."""

from scripts.lib.report import read
from scripts.lib.report.drawing.beside import NONE, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Group, Section
from scripts.lib.report.drawing.text import count, interval, percent
from scripts.lib.report.numbers.caveats import missing_seeds
from scripts.lib.report.numbers.published import published
from scripts.lib.report.read import Record
from scripts.lib.report.study import Chain, Study

STRATEGIES = {"judge": "LLM-as-Judge", "vote": "Majority voting"}
CLASSES = {"true": "called_right", "false": "called_wrong"}


def section(study: Study) -> Section | None:
    """A row per strategy, under a heading per data set, teacher and seed; None where none was compared."""
    files = {chain.judge_vs_vote: chain for chain in study.chains if chain.judge_vs_vote}
    if not files:
        return None
    made = Section(
        "judge",
        "Judge or vote",
        "The teacher's two verdicts on its own samples, held against reference answers: its scores (right is "
        "the best score) and its votes (right is the label). As the paper's Table 5, the precision of either "
        "verdict.",
        made="from each teacher's table5.json: judge and vote on the same samples.",
    )
    groups = [
        Group(
            f"{chain.dataset}: {chain.teacher}, seed {chain.seed}", _rows(study, chain, read.document(file))
        )
        for file, chain in files.items()
    ]
    right, wrong = "Called right: it is, %", "Called wrong: it is, %"
    columns = ["Strategy", right, f"{PAPER}: right, %", wrong, f"{PAPER}: wrong, %", "Samples"]
    notes = [
        *missing_seeds((f"{each.dataset}: {each.teacher}", "", each.seed) for each in files.values()),
        "Samples of labelled queries that the judge scored, the same for both. Small: 95 % interval over "
        "queries and the samples called so. Golds are read here, for "
        "diagnosis, and by no training step.",
    ]
    made.content.append(beside("Precision of judge and vote", columns, groups, notes))
    return made


def _rows(study: Study, chain: Chain, table: Record) -> list[list[Cell]]:
    place = {"dataset": chain.dataset, "teacher": chain.teacher}
    theirs = {name: published(study, metric, **place) for name, metric in CLASSES.items()}
    rows = []
    for strategy, name in STRATEGIES.items():
        row = [Cell(name)]
        for verdict in CLASSES:
            found = table[strategy][verdict]
            doubt = f"{interval(found['low'], found['high'])}, n = {count(found['n'])}"
            row += [
                Cell(percent(found["value"]), doubt) if found["n"] else Cell(NONE),
                Cell(theirs[verdict].get(strategy, NONE)),
            ]
        rows.append([*row, Cell(count(table["samples"]))])
    return rows
