"""List a study for its report: runs, benchmarks, chains, ledgers, and what every job left behind."""

import json
import time
from dataclasses import replace
from pathlib import Path

from scripts.lib.config.check import parse, rows
from scripts.lib.process.cli import cli
from scripts.lib.report.inputs import study_of
from scripts.lib.report.study import Job, Study
from scripts.lib.runs import ledger
from scripts.lib.runs.snakemake_log import read_runs
from scripts.lib.workflow.layout import Layout, log_of


def jobs(study: Study) -> list[Job]:
    """The finished jobs with a benchmark file, of this study's names only."""
    names: dict[str, set[str]] = {
        name: {str(getattr(run, name)) for run in (*study.evaluations, *study.chains)}
        for name in ("dataset", "teacher", "student", "seed")
    }
    names["benchmark"] = {run.benchmark for run in study.evaluations}
    made = {making.last.benchmark: making for making in ledger.makings(read_runs(working=True))}
    found = []
    for path in sorted(Path("benchmarks").glob("*/**/*.tsv")):
        rule, *folders = path.relative_to("benchmarks").with_suffix("").parts
        wildcards = dict(folder.split("=", 1) for folder in folders if "=" in folder)
        if all(value in names[key] for key, value in wildcards.items() if key in names):
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
    found = study_of(Layout(settings), study, rows(settings, study))
    replace(found, jobs=jobs(found)).write(output)


if __name__ == "__main__":
    cli(main)
