"""Measure the reward model on held-out pairs (Table 9): reward model, pairs -> accuracies, rewards.

How often one answer of a query stands above another:
teacher_over_wrong: the teacher's right one above the student's wrong one (Pos/Neg of Table 9's caption);
student_over_wrong: the student's right one above its own wrong one (Pos/Neg of App. E.1's text);
teacher_over_student: the teacher's right one above the student's right one (Pos/Pos);
preference: all pairs of Eq. 5.
cls: the sign of the reward against right or wrong, beside the share of the larger class.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data import tables
from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.evaluation.clusters import clustered
from scripts.lib.models.prompting import Prompting
from scripts.lib.process.alarms import Alarms, of_reward_model, sound
from scripts.lib.process.cli import cli
from scripts.lib.training.examples import load_pairs
from scripts.lib.training.setup import quiet


def teacher_over_wrong(pairs: pl.DataFrame, best_score: float) -> pl.DataFrame:
    """Every right teacher answer of the pairs against every wrong student answer of the same query.

    Training pairs hold none (Eq. 5 pairs T+ with S+ and S+ with S-); columns of PAIRS, kind
    "teacher_negative".
    """
    right = pairs.filter(pl.col("chosen_source") == "teacher", pl.col("chosen_score") == best_score)
    wrong = pairs.filter(pl.col("rejected_source") == "student", pl.col("rejected_score") < best_score)
    first = right.select("query_id", "chosen_source", "chosen_sample_id", "chosen_score", "split").unique()
    second = wrong.select("query_id", "rejected_source", "rejected_sample_id", "rejected_score").unique()
    return (
        first.join(second, on="query_id", how="inner")
        .with_columns(kind=pl.lit("teacher_negative"))
        .select(list(tables.PAIRS))
        .sort(list(tables.PAIRS))
    )


def table9(
    pairs: pl.DataFrame, chosen: np.ndarray, rejected: np.ndarray, best_score: float
) -> dict[str, dict]:
    """Accuracies from the rewards of PAIRS rows and of their `teacher_negative` rows; each answer counts once
    in cls, whose `majority` is the larger share of right or of wrong answers: what a constant would score.

    What no pair measures (ORM-T and ORM-S lack kinds) has the value None.
    Pairs of one query are not independent: the intervals (95 %) are of `clustered` queries, of which there
    are `queries` behind the n pairs.
    """
    table = pairs.with_columns(chosen_reward=pl.Series(chosen), rejected_reward=pl.Series(rejected))
    table = table.with_columns(won=pl.col("chosen_reward") > pl.col("rejected_reward"))
    chosen_right, rejected_right = (pl.col(f"{side}_score") == best_score for side in ("chosen", "rejected"))
    groups = {
        "teacher_over_wrong": pl.col("kind") == "teacher_negative",
        "student_over_wrong": (pl.col("kind") == "student_student") & chosen_right & ~rejected_right,
        "teacher_over_student": (pl.col("kind") == "teacher_student") & chosen_right & rejected_right,
        "preference": pl.col("kind") != "teacher_negative",
    }
    answers = pl.concat(
        table.select(
            "query_id",
            source=f"{side}_source",
            sample_id=f"{side}_sample_id",
            right=pl.col(f"{side}_score") == best_score,
            won=(pl.col(f"{side}_reward") > 0) == (pl.col(f"{side}_score") == best_score),
        )
        for side in ("chosen", "rejected")
    ).unique()
    rows = {name: table.filter(where) for name, where in groups.items()} | {"cls": answers}
    found = {name: _share(rows_) for name, rows_ in rows.items()}
    share = int(answers["right"].sum()) / answers.height
    return found | {"cls": found["cls"] | {"majority": max(share, 1 - share)}}


def held_out_rewards(pairs: pl.DataFrame, chosen: np.ndarray, rejected: np.ndarray) -> pl.DataFrame:
    """The reward of every answer of these PAIRS rows, once each: HELD_OUT_REWARDS."""
    sides = {"chosen": chosen, "rejected": rejected}
    parts = [
        pairs.select(
            "query_id",
            source=f"{side}_source",
            sample_id=f"{side}_sample_id",
            score=f"{side}_score",
            reward=pl.Series(rewards, dtype=pl.Float64),
        )
        for side, rewards in sides.items()
    ]
    return pl.concat(parts).unique(["query_id", "source", "sample_id"], keep="first", maintain_order=True)


def _share(rows: pl.DataFrame) -> dict:
    """Of `won`, with its interval and the number of queries behind it; of no rows None."""
    share = clustered(rows, "won")._asdict()
    none = {"value": None, "low": None, "high": None} if rows.is_empty() else {}
    return share | none | {"queries": rows["query_id"].n_unique()}


def main(
    model: str,
    queries: Path,
    teacher_samples: list[Path],
    student_samples: list[Path],
    pairs: Path,
    prompt: Path,
    output: Path,
    output_rewards: Path,
    revision: str | None = None,
    prompting: OmitArgPrefixes[Prompting] = Prompting(),  # noqa: B008
    best_score: float = 1.0,
    tokens_per_batch: int = 16_384,
    alarms: Alarms = Alarms(),  # noqa: B008
) -> None:
    """Score the held-out pairs, which no reward model has learnt or been chosen on.

    Args:
        model: the reward model's folder.
        queries: QUERIES table of the pairs.
        teacher_samples: the teacher's SAMPLES, one file per round.
        student_samples: the warm student's SAMPLES.
        pairs: PAIRS table; its split "test" is measured.
        prompt: prompt template file.
        output: JSON: measure -> value, n, low, high (95 %), queries; of cls the majority, too.
        output_rewards: HELD_OUT_REWARDS of the held-out answers.
        revision: of a hub model.
        prompting: how the student is shown its prompts.
        best_score: l*: 1 for verifiable tasks, 5 for judged ones.
        tokens_per_batch: changes memory and speed, not results.
        alarms: when the reward model is so bad that something is wrong.
    """
    quiet()
    import torch

    from scripts.lib.models.identity import identity
    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.reward import load_reward, rewards

    held_out = tables.read(pairs, tables.PAIRS).filter(pl.col("split") == "test")
    if held_out.is_empty():
        raise UserError(f"{pairs} has no pairs of split test; raise test_fraction, or bring more queries")
    rows = pl.concat([held_out, teacher_over_wrong(held_out, best_score)])
    print(f"reward model {identity(model, revision)}", file=sys.stderr)
    tokenizer = load_tokenizer(model, revision)
    network = load_reward(model, revision, seed=0).to("cuda" if torch.cuda.is_available() else "cpu").eval()
    known = load_pairs(
        tokenizer,
        prompting.template(prompt),
        tables.read(queries, tables.QUERIES),
        tables.read_many(teacher_samples, tables.SAMPLES),
        tables.read_many(student_samples, tables.SAMPLES),
        rows,
        best_score,
    )
    chosen, rejected = rewards(network, known, tokens_per_batch)
    found = table9(rows, chosen, rejected, best_score)
    sound(alarms, of_reward_model(alarms, found))
    write_json(found, output)
    given = held_out_rewards(rows, chosen, rejected)
    tables.write(given, output_rewards, tables.HELD_OUT_REWARDS, sort=("query_id", "source", "sample_id"))


if __name__ == "__main__":
    cli(main)
