"""Choose a checkpoint by judged answers (open-ended tasks): candidates, grades -> a student folder.

The judge is the teacher, which is not at hand in a training: every candidate has answered the validation
questions, one answer each, whose sample_id is the candidate's number.
"""

import json
from pathlib import Path

import polars as pl

from scripts.lib.data.files import write_json_lines
from scripts.lib.data.tables import GRADES, read
from scripts.lib.errors import UserError
from scripts.lib.evaluation.choice import choice, warning
from scripts.lib.models.identity import write_identity
from scripts.lib.process.cli import cli
from scripts.lib.training.export import publish

Z95 = 1.959964
"""The 97.5 % point of the normal distribution."""


def scores(grades: pl.DataFrame) -> pl.DataFrame:
    """Per candidate (GRADES with its number as sample_id): candidate, score, n, low, high.

    Over the questions on which every candidate has a score, so that all are held against the same; the
    interval is the mean's, 95 %. Raises UserError where there is no such question.
    """
    whole = grades.filter(pl.col("score").is_null().any().over("query_id").not_())
    if whole.is_empty():
        raise UserError(
            "no validation question has a judge's score of every candidate; let the judge retry more"
        )
    half = Z95 * pl.col("score").std() / pl.len().sqrt()
    return (
        whole.group_by(candidate="sample_id")
        .agg(pl.col("score").mean(), n=pl.len(), half=half.fill_null(0.0))
        .select(
            "candidate",
            "score",
            "n",
            low=pl.col("score") - pl.col("half"),
            high=pl.col("score") + pl.col("half"),
        )
        .sort("candidate")
    )


def columns(rows: list[dict]) -> tuple[str, str]:
    """What counts a log's rows, PPO's or a TRL trainer's, and what stands before the names of validation."""
    return ("iteration", "validation_") if "iteration" in rows[0] else ("step", "eval_")


def scored(rows: list[dict], table: pl.DataFrame) -> list[dict]:
    """A log's rows, those of the candidates with their scores: keys `<prefix>score`, `_low`, `_high`, `n`."""
    step, prefix = columns(rows)
    found = {row["candidate"]: row for row in table.iter_rows(named=True)}

    def add(row: dict) -> dict:
        of = found.get(row[step])
        if of is None or f"{prefix}valid" not in row:
            return row
        names = {"score": "score", "n": "n", "score_low": "low", "score_high": "high"}
        return row | {f"{prefix}{name}": of[key] for name, key in names.items()}

    return [add(row) for row in rows]


def main(candidates: Path, grades: Path, log: Path, output: Path, identity: Path, metrics: Path) -> None:
    """Publish the candidate whose answers the judge scores best; of equal ones the first.

    Args:
        candidates: Folder of the candidates, candidate=<step>, and their card.
        grades: What the judge said of their answers (GRADES; sample_id is the step).
        log: The training's metrics.jsonl.
        output: Folder of the chosen checkpoint.
        identity: JSON file with its content hash.
        metrics: The log with the scores.
    """
    table = scores(read(grades, GRADES))
    rows = scored([json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()], table)
    step, prefix = columns(rows)
    told = choice(rows, prefix, step)
    if told is None:
        raise UserError(f"{log} and {grades} name no candidate in common; make both from one training")
    lines = [f"| {row['candidate']} | {row['score']:.4f} |" for row in table.iter_rows(named=True)]
    card = (candidates / "README.md").read_text() + "\n".join(
        [
            "\n## Choice\n",
            f"The weights are those of {step} {told.step}, chosen by {told}.\n",
            f"| {step} | mean score |\n|---|---|",
            *lines,
            "",
        ]
    )
    publish(candidates / f"candidate={told.step}", output, card)
    write_identity(output, identity)
    write_json_lines(rows, metrics)
    print(
        f"chosen: {step} {told.step}, by {told}"
        + (f"\nwarning: {few}" if (few := warning(told.best.n)) else "")
    )


if __name__ == "__main__":
    cli(main)
