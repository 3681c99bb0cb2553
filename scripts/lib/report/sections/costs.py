"""The section on costs: what every rule took and was to take, what sampled, what servers were paid."""

from collections.abc import Sequence
from typing import Any

from scripts.lib.report.drawing.beside import NONE, NOT_RUN, PAPER, beside
from scripts.lib.report.drawing.content import Cell, Group, Section, Table, Text
from scripts.lib.report.drawing.text import count, percent, seconds
from scripts.lib.report.numbers import spending
from scripts.lib.report.numbers.spending import RuleCost, ServerCost
from scripts.lib.report.numbers.stages import STAGES, Stage, stages
from scripts.lib.report.study import Study
from scripts.lib.runs import ledger


def section(study: Study) -> Section:
    """A table each, where there is anything to tell; logs and times that are gone are said to be."""
    made = Section(
        "costs",
        "Time and tokens",
        "Time by Snakemake's clock, the rest by the steps' own; summed over the jobs of a rule. A job that "
        "was not run again keeps its last measurement.",
        made="from Snakemake's benchmark files and logs, and each sampling's ledger.json.",
    )
    found = spending.rule_costs(study.jobs, study.ledgers)
    if not found:
        return made.without("No job has left a measurement.")
    columns = ["Rule", "Jobs", "Time", "Processor time", "Peak memory, MB"]
    columns += ["Completions sampled", "Reused", "Tokens written", "Of thoughts"]
    groups = [
        Group("", [_cost_row(each) for each in found]),
        Group("", [_cost_row(spending.all_costs(found))]),
    ]
    made.content.append(Table("Cost of every rule", columns, groups))
    if ended := [each for each in found if each.cut_off is not None]:
        made.content.append(_ends(ended))
    made.content.append(_spent(study))
    if found_stages := stages(study):
        made.content.append(_stages(found_stages))
    if engines := spending.engines(study.ledgers):
        rows = [
            [Cell(engine), Cell(versions or "–"), Cell(count(models))] for engine, versions, models in engines
        ]
        made.content.append(Table("What sampled", ["Engine", "Versions", "Models"], [Group("", rows)]))
    if servers := spending.server_costs(study.ledgers):
        columns = [
            "Model",
            "Requests",
            "Again",
            "Tokens read",
            "Tokens written",
            "Dollars",
            "In all",
            "Failures",
        ]
        groups = [Group("", [_server_row(each) for each in servers])]
        caption = "Models behind an API, as their last jobs paid; in all: with what was stored before"
        made.content.append(Table(caption, columns, groups))
    return made


def _cost_row(cost: RuleCost) -> list[Cell]:
    return [
        Cell(cost.rule),
        Cell(count(cost.jobs)),
        Cell(seconds(cost.seconds)),
        Cell(seconds(cost.cpu)),
        Cell(count(cost.memory)),
        *(Cell(count(each)) for each in (getattr(cost, name) for name in spending.SAMPLED)),
    ]


def _ends(costs: Sequence[RuleCost]) -> Table:
    """How the completions of each rule ended: whether max_tokens suffices, and what stop strings save."""
    columns = ["Rule", "Completions", "Cut off, %", "Tokens saved by stop strings, at most"]
    rows = [
        [
            Cell(cost.rule),
            Cell(count(cost.requested)),
            Cell(
                percent(
                    cost.cut_off / cost.requested if cost.cut_off is not None and cost.requested else None
                )
            ),
            Cell(count(cost.saved_tokens)),
        ]
        for cost in costs
    ]
    notes = [
        "Cut off: at max_tokens, before an end token or a stop string. Saved: in the last jobs, up to "
        "max_tokens; no server says how much that is."
    ]
    return Table("How completions ended", columns, [Group("", rows)], notes)


def _spent(study: Study) -> Table | Text:
    """What the jobs cost against their plan, as Snakemake's own logs tell."""
    lines = ledger.by_rule((job.rule, job.spending) for job in study.jobs if job.spending)
    if not lines:
        return Text("What was spent against the plan is not known: Snakemake's logs of these jobs are gone.")
    shown = ledger.columns(lines)
    names = ["Rule", "Jobs", "Attempts lost", *(name[0].upper() + name[1:] for name in shown)]
    groups = [Group("", [_spending_row(line, shown) for line in lines])]
    return Table("Spent / expected / planned at most", names, groups)


def _stages(found: Sequence[Stage]) -> Table:
    """App. F: what one student of Ours cost, by stage; the paper's hours beside it where it has any."""
    rows = []
    for each in found:
        hours = (
            [Cell(ledger.cell(each.figures, name)) for name in ("hours", "GPU-hours")]
            if each.figures
            else None
        )
        paper = Cell(NONE)
        if each.paper:
            spent, gpus = each.paper
            paper = Cell(f"{spent * gpus:g}", f"{spent:g} h × {gpus:g}")
        head = [Cell(STAGES[each.rule], each.chain), Cell(count(each.seeds) if each.seeds else NOT_RUN)]
        rows.append([*head, *(hours or [Cell(NONE)] * 2), paper])
    columns = ["Stage", "Seeds", "Hours", "GPU-hours", f"{PAPER}: GPU-hours"]
    notes = [
        "As the paper's Appendix F: Ours of one seed, the mean over seeds; spent / expected / planned at "
        "most. The paper's are H100s."
    ]
    return beside("Cost of one student, by stage", columns, [Group("", rows)], notes)


def _spending_row(line: dict[str, Any], shown: Sequence[str]) -> list[Cell]:
    lost = f"{ledger.number(line['lost_hours'])} h" if line["lost"] else ""
    return [
        Cell(line["rule"]),
        Cell(count(line["jobs"])),
        Cell(count(line["lost"]), lost),
        *(Cell(ledger.cell(line, name)) for name in shown),
    ]


def _server_row(cost: ServerCost) -> list[Cell]:
    failures = ", ".join(f"{kind} × {number}" for kind, number in sorted(cost.failures.items()))
    tokens = (cost.requests, cost.retries, cost.prompt_tokens, cost.completion_tokens)
    return [
        Cell(cost.model.removeprefix("openai:")),
        *(Cell(count(each)) for each in tokens),
        *(Cell(f"${each:,.2f}") for each in (cost.dollars, cost.total_dollars)),
        Cell(failures or "none"),
    ]
