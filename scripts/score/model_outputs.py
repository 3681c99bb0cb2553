"""Write AlpacaEval's model_outputs.json: samples, queries, reference outputs -> 805 rows in the reference's
order."""

import sys
from pathlib import Path

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import QUERIES, SAMPLES, read, read_many
from scripts.lib.errors import UserError
from scripts.lib.evaluation.alpaca import Rows, check_order, read_outputs
from scripts.lib.process.cli import cli


def model_outputs(samples: pl.DataFrame, queries: pl.DataFrame, reference: Rows, generator: str) -> Rows:
    """The first completion of every instruction, in the reference's order.

    `samples`: query_id, sample_id, completion; `queries`: query_id, question (stripped, as
    `scripts.queries.queries` writes it). Raises UserError when an instruction has no question or no
    completion.
    """
    first = samples.sort("query_id", "sample_id").unique("query_id", keep="first")
    found = dict(queries.join(first, on="query_id").select("question", "completion").iter_rows())
    lacking = [row["instruction"] for row in reference if row["instruction"].strip() not in found]
    if lacking:
        raise UserError(
            f"{len(lacking)} of {len(reference)} instructions have no completion, "
            f"the first is {lacking[0][:60]!r}; sample the model on all of them"
        )
    return [
        {
            "dataset": row.get("dataset", "alpaca_eval"),
            "instruction": row["instruction"],
            "output": found[row["instruction"].strip()].strip(),
            "generator": generator,
        }
        for row in reference
    ]


def main(samples: list[Path], queries: Path, reference: Path, generator: str, output: Path) -> None:
    """Put a model's completions in the form of AlpacaEval's leaderboard.

    Args:
        samples: Sample files of one model; the first sample of a query counts.
        queries: AlpacaEval's instructions as queries.
        reference: The reference's model_outputs.json, which gives the order.
        generator: The model's name on the leaderboard.
        output: model_outputs.json.
    """
    wanted = read_outputs(reference)
    check_order(wanted, wanted, reference)
    texts = read_many(samples, {name: SAMPLES[name] for name in ("query_id", "sample_id", "completion")})
    rows = model_outputs(texts, read(queries, QUERIES), wanted, generator)
    write_json(rows, output, indent=2, ensure_ascii=False)
    empty = sum(not row["output"] for row in rows)
    print(f"{len(rows)} outputs of {generator}, {empty} empty", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
