"""Write scored completions in lm-evaluation-harness's layout: samples, scores -> results_*.json,
samples_*.jsonl.

The harness's own metrics stand beside ours, and every response on which they differ says why.
"""

import hashlib
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.data.files import write_json, write_json_lines
from scripts.lib.data.tables import GOLDS, QUERIES, SAMPLES, SCORES, read, read_many
from scripts.lib.errors import UserError
from scripts.lib.evaluation.lm_eval import exact_match, explain, filters
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.process.cli import cli
from scripts.lib.tasks.bulk import read_golds

OURS = "redistill"


def digest(text: str) -> str:
    """The harness's hash of a document, prompt or target."""
    return hashlib.sha256(text.encode()).hexdigest()


def rows_of(task: str, table: pl.DataFrame, template: PromptTemplate) -> list[dict[str, Any]]:
    """One row per response and filter, as the harness logs samples; ours last.

    `table`: query_id, question, options, shots, gold, completion, answer, status, correct.
    """
    rows = []
    for place, row in enumerate(table.iter_rows(named=True)):
        doc = {"query_id": row["query_id"], "question": row["question"], "answer": row["gold"]}
        if row["options"]:
            doc["options"] = row["options"]
        prompt = template.text(row["question"], row["options"] or [], row["shots"] or [])
        common = {
            "doc_id": place,
            "doc": doc,
            "target": row["gold"],
            "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"do_sample": False, "temperature": 0.0}}},
            "resps": [[row["completion"]]],
            "metrics": ["exact_match"],
            "doc_hash": digest(json.dumps(doc, sort_keys=True)),
            "prompt_hash": digest(prompt),
            "target_hash": digest(row["gold"]),
        }
        for each in filters(task):
            found = each.extract(row["completion"])
            score = exact_match(task, found, row["gold"])
            why = explain(task, row["completion"], found, score, row["answer"], row["correct"])
            rows.append(
                common
                | {"filter": each.name, "filtered_resps": [found], "exact_match": score, "difference": why}
            )
        rows.append(
            common
            | {"filter": OURS, "filtered_resps": [row["answer"]], "exact_match": float(row["correct"])}
            | {"status": row["status"], "difference": ""}
        )
    return rows


def summarise(task: str, rows: list[dict[str, Any]], metrics: dict[str, Any]) -> dict[str, Any]:
    """The harness's result of one task: exact_match and its standard error by filter, ours among them;
    and differences."""
    found: dict[str, Any] = {}
    differences = {}
    for name in [*(each.name for each in filters(task)), OURS]:
        scores = [row["exact_match"] for row in rows if row["filter"] == name]
        mean = sum(scores) / len(scores)
        spread = (mean * (1 - mean) / (len(scores) - 1)) ** 0.5 if len(scores) > 1 else 0.0
        found |= {f"exact_match,{name}": mean, f"exact_match_stderr,{name}": spread}
        reasons = Counter(row["difference"] for row in rows if row["filter"] == name and row["difference"])
        differences[name] = dict(sorted(reasons.items()))
    for key, value in metrics.items():
        found[f"{key},{OURS}"] = value["value"]
    del differences[OURS]
    return found | {"differences": differences}


def main(
    samples: list[Path],
    queries: Path,
    golds: Path,
    scores: Path,
    metrics: Path,
    ledger: Path,
    prompt: Path,
    task: str,
    name: str,
    model: str,
    output: Path,
    date: str | None = None,
) -> None:
    """Export one evaluation.

    Args:
        samples: The completions; the first of each question counts.
        queries: The benchmark's questions.
        golds: Their answers.
        scores: Ours (`scripts.score.score`).
        metrics: Ours, as JSON.
        ledger: Of the sampling step: engine, versions, model identity.
        prompt: Template of config/prompts.
        task: How answers are read.
        name: The task's name in the files.
        model: The model's name in the files.
        output: Folder; the files lie in a folder of the model's name, as the harness has it.
        date: Time in the files' names; default: now (UTC).
    """
    read_answers = read(scores, SCORES).unique(["query_id", "sample_id"])
    texts = read_many(samples, SAMPLES).unique("query_id", keep="first", maintain_order=True)
    table = (
        read(queries, QUERIES)
        .join(read(golds, GOLDS).rename({"answer": "gold"}), on="query_id")
        .join(texts, on="query_id")
        .join(read_answers, on=["query_id", "sample_id"])
        .sort("query_id")
    )
    table = table.with_columns(read_golds(task, table["gold"]))
    if table.is_empty():
        raise UserError("no question has a completion, a gold and a score; give the files of one evaluation")
    spent = json.loads(ledger.read_text(encoding="utf-8"))
    rows = rows_of(task, table, PromptTemplate(prompt, False))
    summary = summarise(task, rows, json.loads(metrics.read_text(encoding="utf-8")))
    stamp = date or datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    results = {
        "results": {name: {"alias": name, **summary}},
        "n-samples": {name: {"original": table.height, "effective": table.height}},
        "versions": {name: 1},
        "n-shot": {name: 0},
        "configs": {
            name: {"task": name, "output_type": "generate_until", "generation_kwargs": {"temperature": 0.0}}
        },
        "config": {
            "model": spent.get("engine"),
            "model_args": spent.get("model"),
            "engine_versions": spent.get("versions", {}),
        },
        "model_name": model,
        "date": stamp,
    }
    folder = output / model.replace("/", "__")
    write_json(results, folder / f"results_{stamp}.json", indent=2, ensure_ascii=False)
    write_json_lines(rows, folder / f"samples_{name}_{stamp}.jsonl", ensure_ascii=False)
    for key, value in summary.items():
        if key.startswith("exact_match,"):
            print(f"{key}: {value:.4f}", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
