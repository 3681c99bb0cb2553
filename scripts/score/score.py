"""Score a benchmark's completions: samples, golds -> scores, accuracy with its interval."""

import sys
from pathlib import Path

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import ANSWERS, GOLDS, GROWTH, QUERIES, REWARDS, SCORES, read, write
from scripts.lib.errors import UserError
from scripts.lib.evaluation.intervals import wilson
from scripts.lib.evaluation.repeated import Taken, take
from scripts.lib.evaluation.repeated import growth as grown
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import answers_of
from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import are_correct


def score(answers: pl.DataFrame, golds: pl.DataFrame, task: str) -> pl.DataFrame:
    """Hold answers against golds: `SCORES` columns and finish_reason, for the queries that have a gold.

    `answers`: query_id, sample_id, answer, status, finish_reason. No answer is never right.
    """
    table = answers.join(golds.rename({"answer": "gold"}), on="query_id", maintain_order="left")
    right = are_correct(task, table["answer"], table["gold"])
    return table.with_columns(right).select(*SCORES, "finish_reason")


def share(scores: pl.DataFrame, right: pl.Expr) -> dict[str, float | int]:
    """The share of `right` among the questions, with its Wilson interval; several samples of one are
    averaged."""
    each = scores.group_by("query_id").agg(right.cast(pl.Float64).mean().alias("right"))
    return wilson(float(each["right"].sum()), each.height)._asdict()


def summarise(scores: pl.DataFrame, groups: pl.DataFrame, task: str) -> dict[str, dict[str, float | int]]:
    """The metrics by name, each value, n (questions), low, high.

    `groups`: query_id, group. GSM-Plus publishes its accuracy with and without critical thinking (12.5 %,
    gold None).
    """
    metrics = {
        "accuracy": share(scores, pl.col("correct")),
        "unparsed_rate": share(scores, pl.col("answer").is_null()),
        "truncated_rate": share(scores, pl.col("finish_reason") == "length"),
    }
    for metric, group in task_of(task).apart.items():
        apart = groups.filter(pl.col("group") == group)
        if apart.height:
            rest = scores.join(apart, on="query_id", how="anti")
            metrics[metric] = share(rest, pl.col("correct"))
    return metrics


def main(
    samples: Path,
    queries: Path,
    golds: Path,
    task: str,
    output: Path,
    metrics: Path,
    taken: Taken | None = None,
    growth: Path | None = None,
    rewards: Path | None = None,
) -> None:
    """Score completions against reference answers.

    Args:
        samples: One model's completions.
        queries: The benchmark's questions.
        golds: Their answers.
        task: How answers are read and compared.
        output: The scores, one row per sample.
        metrics: accuracy, unparsed_rate and truncated_rate, as JSON.
        taken: Of several completions of a question, the one whose answer counts; None: their mean does.
        growth: How accuracy grows with their number (GROWTH), for --taken.
        rewards: What a reward model says of each (REWARDS), for --taken best_of_n.
    """
    if (taken is None) != (growth is None) or (taken == "best_of_n") != (rewards is not None):
        raise UserError("--taken needs --growth, and best_of_n --rewards, too; others take neither")
    references, questions = read(golds, GOLDS), read(queries, QUERIES)
    if not references.height:
        raise UserError(f"{golds} has no answers; scoring needs them (answer_column of the questions' file)")
    answers = pl.concat([pl.DataFrame(schema=ANSWERS), *answers_of(samples, task, queries)])
    lacking = references.join(answers, on="query_id", how="anti")
    if lacking.height:
        raise UserError(
            f"{lacking.height} of {references.height} questions have no completion in {samples}, "
            f"the first is {lacking['query_id'][0]!r}; sample them, an accuracy over the rest would mislead"
        )
    scores = score(answers, references, task)
    if taken and growth:
        worth = read(rewards, REWARDS) if rewards else None
        write(grown(scores, worth), growth, GROWTH, sort=("query_id", "n", "rule"))
        scores = take(scores, taken, worth)
    summary = summarise(scores, questions.select("query_id", "group"), task)
    write(scores, output, SCORES)
    write_json(summary, metrics)
    accuracy = summary["accuracy"]
    print(
        f"accuracy {accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}] of "
        f"{accuracy['n']}, unparsed {summary['unparsed_rate']['value']:.4f}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli(main)
