"""The section on provenance: code, questions, models and every setting behind the page."""

import json

from scripts.lib.report.drawing.content import Cell, Group, Section, Table, Text
from scripts.lib.report.numbers.provenance import Provenance, provenance
from scripts.lib.report.study import Study


def section(study: Study) -> Section:
    """A table of the code, and listings behind folds."""
    found = provenance(study)
    made = Section(
        "provenance",
        "Provenance",
        "What this page was made from. What other code, settings, questions or models had made was made "
        "again. Printed are the listings that are open.",
        made="as its run began: the repository's commit, and what differed from it; versions as installed.",
    )
    made.content.append(Table("Code", ["What", "Version"], [Group("", _code(study, found))]))
    files = [f"{each.sha256}  {each.file}" for each in found.questions]
    made.content.append(_listing("The questions and their reference answers, by SHA-256", files))
    models = [
        f"{each.chain}, {each.model}, seed {each.seed}: {each.identity}"
        for each in sorted(found.models, key=lambda each: (each.chain, each.model, each.seed))
    ]
    made.content.append(_listing("The models, by the content of their files or the hub's commit", models))
    config = json.dumps(study.config, indent=2, ensure_ascii=False)
    made.content.append(_listing("Every setting, resolved", [config]))
    return made


def _code(study: Study, found: Provenance) -> list[list[Cell]]:
    rows = {"Commit": found.commit or "not known", "Changed since": ", ".join(found.changed) or "nothing"}
    rows |= {} if found.commit else {"Changed since": "not known"}
    seeds = sorted({run.seed for run in study.evaluations} | {chain.seed for chain in study.chains})
    rows |= {"Seeds": ", ".join(map(str, seeds)) or "none", **found.versions}
    return [[Cell(what), Cell(value)] for what, value in rows.items()]


def _listing(fold: str, lines: list[str]) -> Text:
    return Text("\n".join(lines), fold)
