"""Table 5: of the samples that the teacher calls right, how many are; of those it calls wrong, how many are.

Both strategies are held against the golds on the same samples: those of labelled queries that the judge
scored. For the vote a sample is right when its answer is the label, for the judge when its score is the best
one.
"""

import sys
from pathlib import Path

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import GOLDS, GRADES, read
from scripts.lib.errors import UserError
from scripts.lib.evaluation.clusters import clustered
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import gather
from scripts.lib.tasks.bulk import golds_like

IDS = ["query_id", "sample_id"]


def precisions(verdicts: pl.DataFrame) -> dict[str, dict[str, float | int]]:
    """Class-wise precision with its interval over queries. `verdicts`: query_id, says (the verdict), is (the
    truth), both Boolean."""
    found = {}
    for name, value in (("true", True), ("false", False)):
        group = verdicts.filter(pl.col("says") == value)
        agrees = group.select("query_id", agrees=pl.col("is") == value)
        found[name] = clustered(agrees, "agrees")._asdict()
    return found


def compare(
    judged: pl.DataFrame, voted: pl.DataFrame, answers: pl.DataFrame, golds: pl.DataFrame, best_score: float
) -> dict:
    """Both strategies' precisions and what was left out.

    `judged`, `voted`: GRADES; `answers`: query_id, sample_id, answer; `golds`: query_id, gold (canonical).
    """
    truth = answers.join(golds, on="query_id").select(
        *IDS, (pl.col("answer") == pl.col("gold")).fill_null(False).alias("is")
    )
    both = truth.join(judged.drop_nulls("score").select(*IDS, pl.col("score").alias("judge")), on=IDS).join(
        voted.drop_nulls("score").select(*IDS, pl.col("score").alias("vote")), on=IDS
    )
    if both.is_empty():
        raise UserError("no sample has a gold, a label and a score; Table 5 needs all three")
    return {
        "samples": both.height,
        "left_out": {
            "without_label": truth.join(voted, on=IDS, how="anti").height,
            "unscored": judged["score"].null_count(),
        },
        "judge": precisions(both.select("query_id", "is", (pl.col("judge") == best_score).alias("says"))),
        "vote": precisions(both.select("query_id", "is", (pl.col("vote") == 1).alias("says"))),
    }


def main(
    judged: Path,
    voted: Path,
    answers: list[Path],
    golds: Path,
    task: str,
    output: Path,
    best_score: float = 5.0,
) -> None:
    """Compare the judge with the vote.

    Args:
        judged: Grades by the judge.
        voted: Grades by the vote.
        answers: The answers of the teacher's samples, one file per round.
        golds: Reference answers of the training questions; used for this comparison only.
        task: How answers are compared.
        output: Class-wise precision of both, as JSON.
        best_score: The judge's score that calls a sample right.
    """
    references = read(golds, GOLDS)
    if references.is_empty():
        raise UserError(f"{golds} has no answers; Table 5 compares verdicts with reference answers")
    said = gather(answers, "answer")
    truth = golds_like(task, references, said)
    table = compare(read(judged, GRADES), read(voted, GRADES), said, truth, best_score)
    write_json(table, output)
    for name in ("judge", "vote"):
        right, wrong = (table[name][key]["value"] for key in ("true", "false"))
        print(f"{name}: true {right:.3f}, false {wrong:.3f}, on {table['samples']} samples", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
