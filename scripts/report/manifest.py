"""List a study for its report: runs, benchmarks, chains, ledgers, and what every job left behind."""

import json
import time
from dataclasses import replace
from pathlib import Path

from scripts.lib.config.check import parse, rows
from scripts.lib.process.cli import cli
from scripts.lib.report.inputs import study_of
from scripts.lib.report.places import places
from scripts.lib.report.study import Job
from scripts.lib.runs import ledger
from scripts.lib.runs.snakemake_log import read_runs
from scripts.lib.workflow.layout import Layout, log_of


def jobs(places: set[str]) -> list[Job]:
    """The finished jobs with a benchmark file that work in these places (`scripts.lib.report.places`)."""
    made = {making.last.benchmark: making for making in ledger.makings(read_runs(working=True))}
    found = []
    for path in sorted(Path("benchmarks").glob("*/**/*.tsv")):
        rule, *folders = path.relative_to("benchmarks").with_suffix("").parts
        if "/".join(folder for folder in folders if not folder.startswith("round=")) in places:
            making = made.get(str(path))
            spending = ledger.figures(making, time.time()) if making else None
            found.append(Job(rule, path, log_of(path), spending))
    return found


def main(study: str, config: str, output: Path) -> None:
    """Write the manifest of a study.

    Args:
        study: name in `studies`.
        config: the resolved config, as JSON.
        output: the manifest, JSON (see scripts/lib/report/study.py).
    """
    settings = parse(json.loads(config))
    layout, table = Layout(settings), rows(settings, study)
    found = jobs(places(layout, study, table))
    replace(study_of(layout, study, table), jobs=found).write(output)


if __name__ == "__main__":
    cli(main)
