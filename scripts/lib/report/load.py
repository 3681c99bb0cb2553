"""Read the manifest and the small files it points to. A part that is absent is None, never an error; a broken one is.

The manifest, written by the report rule (every path as the workflow knows it):

    study, note, config
    rows        [{dataset, teacher, student, variant, seed, benchmark, scores, metrics, samples}]
    benchmarks  [{benchmark, seed, queries, golds}]
    chains      [{dataset, teacher, student, seed, queries, train_golds, teacher_samples: [], teacher_grades,
                  labels: [{name, path, samples: []}],
                  rewards: [{reward, warmup, student_samples, student_grades, pairs, funnel, reward_metrics, training}],
                  trainings: [{variant, method, metrics}]}]
    steps       [{rule, wildcards, benchmark, log, ledger}]
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.lib.process.cli import USED
from scripts.lib.tasks import task_of

Record = dict[str, Any]
CHAIN = ("dataset", "teacher", "student")


def manifest(path: Path) -> Record:
    """The manifest with every top-level part present (empty where the file has none). Raises UserError."""
    found = document(path)
    if not isinstance(found, dict):
        raise UserError(f"{path} is no report manifest; run the report rule again")
    empty: Record = {
        "study": "",
        "note": "",
        "config": {},
        "rows": [],
        "benchmarks": [],
        "chains": [],
        "steps": [],
    }
    return empty | {name: part for name, part in found.items() if part is not None}


def chain_name(chain: Record) -> str:
    """A chain in a few words."""
    return f"{chain.get('dataset')}: {chain.get('teacher')} → {chain.get('student')}"


def task(manifest: Record, chain: Record) -> str:
    """How answers of the chain's data set are read."""
    return manifest["config"]["datasets"][chain["dataset"]]["task"]


def judged_benchmark(manifest: Record, row: Record) -> bool:
    """Whether a judge compares the answers of a row's benchmark, instead of reading them."""
    return task_of(manifest["config"]["benchmarks"][row["benchmark"]]["task"]).judged


def vote_settings(manifest: Record, chain: Record, label: Record) -> Record:
    """m, threshold and voters of a label choice; a choice is named after the teacher whose votes it takes."""
    teachers = manifest["config"].get("teachers", {})
    block = teachers.get(label.get("name")) or teachers.get(chain.get("teacher")) or {}
    return {"m": 10, "threshold": 0.7, "voters": "last_round"} | block.get("vote", {})


def present(path: str | Path | None) -> Path | None:
    """`path` if there is such a file, else None."""
    return Path(path) if path and Path(path).is_file() else None


def document(path: str | Path | None) -> Any:
    """A JSON file's content, or None when absent. Raises UserError when it is not JSON."""
    if (found := present(path)) is None:
        return None
    try:
        return json.loads(found.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{found} is not JSON ({error}); delete it and run again") from None


def log(path: str | Path | None) -> list[Record]:
    """A trainer's metrics.jsonl as records; a last line cut off by a kill is left out."""
    if (found := present(path)) is None:
        return []
    records = []
    for line in found.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def curve(records: Iterable[Record], y: str, x: str) -> list[tuple[float, float]]:
    """The points (x, y) of the records that hold both as finite numbers, by x."""
    points = [(record.get(x), record.get(y)) for record in records]
    return sorted((float(a), float(b)) for a, b in points if _is_number(a) and _is_number(b))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def benchmark(path: str | Path | None, log: str | Path | None = None) -> dict[str, float] | None:
    """Seconds (`s`), processor seconds (`cpu_time`) and peak memory in MB (`max_rss`) of a job, by Snakemake's benchmark TSV.

    Repeats are averaged; what Snakemake could not measure (`-`, `NA`) is left out. What the steps themselves say in `log`
    that they used goes before: Snakemake looks twice a minute, and at its own child processes only.
    """
    if (found := present(path)) is None:
        return None
    with found.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    values: dict[str, list[float]] = {}
    for line in lines:
        for name in ("s", "cpu_time", "max_rss"):
            try:
                values.setdefault(name, []).append(float(line.get(name) or ""))
            except ValueError:
                continue
    measured = {name: sum(each) / len(each) for name, each in values.items() if each}
    if (told := present(log)) and (said := USED.findall(told.read_text(errors="replace"))):
        seconds, memory = zip(*said, strict=True)
        measured |= {"cpu_time": sum(map(float, seconds)), "max_rss": max(map(float, memory))}
    return measured


def table(path: str | Path | None, schema: tables.Schema) -> pl.DataFrame | None:
    """A table of the pipeline, or None when absent. Raises UserError when it has another shape."""
    return tables.read(found, schema) if (found := present(path)) is not None else None


def rows_of(paths: Iterable[str | Path], query_ids: Iterable[str], schema: tables.Schema) -> pl.DataFrame:
    """The rows of a few queries out of large tables, without reading the rest; sorted by query_id and sample_id."""
    wanted = list(query_ids)
    parts = [
        pl.scan_parquet(found, hive_partitioning=False)
        .filter(pl.col("query_id").is_in(wanted))
        .select(pl.col(name).cast(kind) for name, kind in schema.items())
        for path in paths
        if (found := present(path)) is not None
    ]
    if not parts:
        return pl.DataFrame(schema=schema)
    by = [name for name in ("query_id", "sample_id") if name in schema]
    return pl.concat(parts).collect().sort(by, maintain_order=True)
