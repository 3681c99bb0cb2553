"""The page's sections, in order: each takes the manifest and gives tables, figures and examples, or says what is missing."""

import json
from collections.abc import Callable, Sequence

from scripts.lib.report import examples, load, method, stages, table3, table4
from scripts.lib.report.blocks import Cell, Examples, Group, Section, Table, Text, count, seconds
from scripts.lib.report.load import Record
from scripts.lib.report.results import Setting
from scripts.lib.runs import ledger


def sections(manifest: Record, settings: Sequence[Setting], absent: Sequence[str]) -> list[Section]:
    """All sections of the page, in order."""
    judged = [each for each in settings if each.judged]
    read = [each for each in settings if not each.judged]
    made = [table3.results(read, absent)] if read or not judged else []
    made += [table4.win_rates(judged, [] if made else absent)] if judged else []
    parts: list[Callable[[Record], Section]] = [
        method.funnel,
        method.votes,
        method.reward_models,
        method.policies,
        shown_examples,
        costs,
        configuration,
    ]
    return made + [part(manifest) for part in parts]


def shown_examples(manifest: Record) -> Section:
    section = Section(
        "examples",
        "Examples",
        "Queries on their way to pairs, then test questions with every variant's answer: five of each, chosen by outcome "
        "so that failures show, and within an outcome by a hash of their id.",
    )
    found = []
    for chain in manifest["chains"][:1]:
        label = (chain.get("labels") or [{}])[0]
        found += examples.query_examples(
            chain, load.vote_settings(manifest, chain, label), load.task(manifest, chain)
        )
    if manifest["rows"]:
        first = manifest["rows"][0]
        keys = (*load.CHAIN, "seed", "benchmark")
        same = [row for row in manifest["rows"] if all(row.get(key) == first.get(key) for key in keys)]
        shown = [
            each
            for each in manifest["benchmarks"]
            if each.get("benchmark") == first.get("benchmark") and each.get("seed") == first.get("seed")
        ]
        judged = load.judged_benchmark(manifest, first)
        found += examples.question_examples(
            same, shown[0] if shown else {}, 10 - len(found) if found else 5, judged
        )
    if not found:
        return section.without("There are no samples to show.")
    section.blocks.append(Examples(found))
    return section


def costs(manifest: Record) -> Section:
    section = Section(
        "costs",
        "Time and tokens",
        "Time by Snakemake's clock, the rest by the steps' own; summed over the jobs of a rule. A job that was not run again "
        "keeps its last measurement.",
    )
    found = stages.costs(manifest["steps"])
    if not found:
        return section.without("No job has left a measurement.")
    total = {
        key: sum(each.get(key, 0) for each in found) for key in ("jobs", "seconds", "cpu", *stages.LEDGER)
    }
    total |= {
        "rule": "All",
        "memory": max((each["memory"] for each in found if "memory" in each), default=None),
    }
    columns = [
        "Rule",
        "Jobs",
        "Time",
        "Processor time",
        "Peak memory, MB",
        "Completions sampled",
        "Reused",
        "Tokens written",
    ]
    groups = [Group("", [_cost_row(each) for each in found]), Group("", [_cost_row(total)])]
    section.blocks.append(Table("Cost of every rule", columns, groups))
    if lines := ledger.by_rule(
        (each["rule"], each["spending"]) for each in manifest["steps"] if each.get("spending")
    ):
        shown = ledger.columns(lines)
        names = ["Rule", "Jobs", "Attempts lost", *(name[0].upper() + name[1:] for name in shown)]
        groups = [Group("", [_spending_row(line, shown) for line in lines])]
        section.blocks.append(Table("Spent / expected / planned at most", names, groups))
    if engines := stages.engines(manifest["steps"]):
        rows = [
            [Cell(engine), Cell(versions or "–"), Cell(count(models))] for engine, versions, models in engines
        ]
        section.blocks.append(Table("What sampled", ["Engine", "Versions", "Models"], [Group("", rows)]))
    if servers := stages.servers(manifest["steps"]):
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
        section.blocks.append(
            Table(
                "Models behind an API, as their last jobs paid; in all: with what was stored before",
                columns,
                groups,
            )
        )
    return section


def _cost_row(cost: Record) -> list[Cell]:
    return [
        Cell(cost["rule"]),
        Cell(count(cost["jobs"])),
        Cell(seconds(cost.get("seconds"))),
        Cell(seconds(cost.get("cpu"))),
        Cell(count(cost.get("memory"))),
        *(Cell(count(cost.get(key))) for key in ("sampled", "reused", "completion_tokens")),
    ]


def _spending_row(line: Record, shown: Sequence[str]) -> list[Cell]:
    lost = f"{ledger.number(line['lost_hours'])} h" if line["lost"] else ""
    return [
        Cell(line["rule"]),
        Cell(count(line["jobs"])),
        Cell(count(line["lost"]), lost),
        *(Cell(ledger.cell(line, name)) for name in shown),
    ]


def _server_row(cost: Record) -> list[Cell]:
    failures = ", ".join(f"{kind} × {number}" for kind, number in sorted(cost["failures"].items()))
    return [
        Cell(cost["model"].removeprefix("openai:")),
        *(Cell(count(cost[key])) for key in ("requests", "retries", "prompt_tokens", "completion_tokens")),
        *(Cell(f"${cost[key]:,.2f}") for key in ("dollars", "total_dollars")),
        Cell(failures or "none"),
    ]


def configuration(manifest: Record) -> Section:
    section = Section("config", "Configuration", "Every setting behind this page, resolved.")
    if not manifest["config"]:
        return section.without("The manifest names no configuration.")
    section.blocks.append(
        Text(json.dumps(manifest["config"], indent=2, ensure_ascii=False), preformatted=True)
    )
    return section
