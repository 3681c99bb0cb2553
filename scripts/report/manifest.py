"""List the files of a study for its report: rows, benchmarks, chains and the cost of every step."""

import json
import re
import time
from pathlib import Path

from scripts.lib.config.check import parse, rows
from scripts.lib.config.training import NoTraining
from scripts.lib.config.whole import Config
from scripts.lib.data.files import write_json
from scripts.lib.process.cli import cli
from scripts.lib.runs import ledger
from scripts.lib.runs.snakemake_log import read_runs
from scripts.lib.workflow.layout import Layout, Row, log_of


def manifest(config: Config, study: str) -> dict:
    """What the report reads: see `scripts/lib/report/load.py` for the shape."""
    layout = Layout(config)
    table = rows(config, study)
    benchmarks = config.studies[study].benchmarks
    return {
        "study": study,
        "note": " ".join(note for name in benchmarks if (note := config.benchmarks[name].note)),
        "config": config.model_dump(mode="json", exclude_none=True),
        "rows": [_row(layout, row, name) for row in table for name in layout.evaluations(row, benchmarks)],
        "benchmarks": _unique(
            _benchmark(layout, row, name) for row in table for name in layout.evaluations(row, benchmarks)
        ),
        "chains": _chains(layout, table),
        "steps": _steps(layout, table, benchmarks),
    }


def _row(layout: Layout, row: Row, benchmark: str) -> dict:
    folder = layout.evaluated(row, benchmark)
    return row | {
        "benchmark": benchmark,
        "scores": f"results/scores/{folder}/scores.parquet",
        "metrics": f"results/scores/{folder}/metrics.json",
        "samples": f"results/eval_samples/{folder}/samples.parquet",
    }


def _benchmark(layout: Layout, row: Row, name: str) -> dict:
    return {
        "benchmark": name,
        "seed": row["seed"],
        "queries": layout.benchmark(name, row["seed"]),
        "golds": layout.benchmark(name, row["seed"], golds=True),
    }


def _chains(layout: Layout, table: list[Row]) -> list[dict]:
    """One entry a (data set, teacher, student, seed), with the reward models and trainings its variants need."""
    config = layout.config
    chains: dict[tuple, dict] = {}
    for row in table:
        variant = config.variants[row["variant"]]
        if isinstance(variant, NoTraining):
            continue
        key = tuple(row[name] for name in ("dataset", "teacher", "student", "seed"))
        chain = chains.setdefault(key, _chain(layout, row))
        if metrics := layout.training_metrics(row):
            chain["trainings"].append(
                {"variant": row["variant"], "method": variant.method, "metrics": metrics}
            )
        reward = getattr(variant, "reward", None)
        if reward is not None and reward not in [item["reward"] for item in chain["rewards"]]:
            chain["rewards"].append(_reward(layout, row, reward))
    return list(chains.values())


def _chain(layout: Layout, row: Row) -> dict:
    files = layout.teacher_samples(row)
    return {
        **{name: row[name] for name in ("dataset", "teacher", "student", "seed")},
        "queries": layout.queries(row["dataset"], row["seed"], "train"),
        "train_golds": layout.queries(row["dataset"], row["seed"], "train_golds"),
        "teacher_samples": files,
        "labels": [
            {"name": teacher, "path": layout.labels(other), "samples": layout.teacher_samples(other)}
            for teacher in [row["teacher"], *layout.config.teachers[row["teacher"]].compare]
            for other in [row | {"teacher": teacher}]
        ],
        "teacher_grades": layout.teacher_grades(row),
        "rewards": [],
        "trainings": [],
    }


def _reward(layout: Layout, row: Row, reward: str) -> dict:
    warmup = layout.config.rewards[reward].warmup
    label_only = layout.label_only(row["variant"])
    return {
        "reward": reward,
        "warmup": warmup,
        "student_samples": layout.student(row, warmup, "student_samples", "samples.parquet"),
        "student_grades": layout.student(row, warmup, "student_grades", "grades.parquet"),
        "pairs": layout.reward(row, reward, "pairs.parquet", "pairs"),
        "funnel": layout.reward(row, reward, "funnel.json", "pairs"),
        "reward_metrics": None if label_only else layout.reward(row, reward, "table9.json"),
        "training": None if label_only else layout.reward(row, reward, "metrics.jsonl"),
    }


def _steps(layout: Layout, table: list[Row], benchmarks: list[str]) -> list[dict]:
    """The benchmark files of finished jobs, of this study's names only."""
    names = {
        name: {str(row[name]) for row in table}
        for name in ("dataset", "teacher", "student", "variant", "seed")
    }
    names["benchmark"] = set(benchmarks)
    made = {making.last.benchmark: making for making in ledger.makings(read_runs(working=True))}
    steps = []
    for path in sorted(Path("benchmarks").glob("*/**/*.tsv")):
        rule, *folders = path.relative_to("benchmarks").with_suffix("").parts
        wildcards = dict(re.fullmatch(r"(\w+)=(.*)", folder).groups() for folder in folders if "=" in folder)
        if all(value in names[key] for key, value in wildcards.items() if key in names and key != "variant"):
            steps.append(
                {
                    "rule": rule,
                    "wildcards": wildcards,
                    "benchmark": str(path),
                    "log": str(log_of(path)),
                    "ledger": _ledger(rule, wildcards),
                    "spending": ledger.figures(made[str(path)], time.time()) if str(path) in made else None,
                }
            )
    return steps


def _ledger(rule: str, wildcards: dict) -> str | None:
    """The ledger of a sampling step, None for any other."""
    stages = {
        "sample_teacher": ("teacher_samples", "round=1"),
        "sample_teacher_again": ("teacher_samples", "round=2"),
        "sample_student": ("student_samples", ""),
        "judge_teacher": ("judgements", ""),
        "judge_student": ("judgements", ""),
        "sample_checkpoint": ("eval_samples", ""),
        "sample_base_student": ("eval_samples", ""),
        "sample_teacher_on_benchmark": ("eval_samples", ""),
    }
    if rule not in stages:
        return None
    stage, last = stages[rule]
    path = Path(
        "results", stage, *(f"{key}={value}" for key, value in wildcards.items()), last, "ledger.json"
    )
    return str(path) if path.exists() else None


def _unique(items) -> list[dict]:
    return list({json.dumps(item): item for item in items}.values())


def main(study: str, config: str, output: Path) -> None:
    """Write the manifest of a study.

    Args:
        study: name in `studies`.
        config: the resolved config, as JSON.
        output: the manifest, JSON.
    """
    found = manifest(parse(json.loads(config)), study)
    write_json(found, output)


if __name__ == "__main__":
    cli(main)
