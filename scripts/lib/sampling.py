"""Which samples a table holds, and where the store keeps them: shared by sampling and by importing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from scripts.lib.errors import UserError
from scripts.lib.store import KEY, Partition
from scripts.lib.tables import IDS, QUERIES, SAMPLES, read, write

ROUND = 1_000_000
"""Sample indices of round r start at (r - 1) * ROUND: rounds are draws of their own, also where temperatures repeat."""


def select(queries: Path, only: Path | None) -> pl.DataFrame:
    """The questions (QUERIES), of them those in `only` (IDS). Raises UserError when there are none or `only` has others."""
    questions = read(queries, QUERIES)
    if questions.is_empty():
        raise UserError(f"{queries} holds no queries; give a file with questions")
    twice = questions.filter(questions["query_id"].is_duplicated())
    if twice.height:
        raise UserError(
            f"{queries} holds query {twice['query_id'][0]!r} twice; run the rule that makes it again"
        )
    if only is None:
        return questions
    ids = read(only, IDS).unique()
    strangers = ids.join(questions, on="query_id", how="anti").sort("query_id")
    if strangers.height:
        raise UserError(
            f"{only} names {strangers.height} queries that are not in {queries}, such as "
            f"{strangers['query_id'][0]!r}; make both from the same data"
        )
    return questions.join(ids, on="query_id", how="semi", maintain_order="left")


def draws(temperatures: Sequence[float], n: int, number: int, first_sample_id: int) -> pl.DataFrame:
    """The samples of each query: sample_id (temperatures as given, then index), temperature, index in the store.

    Greedy decoding knows one answer: at temperature 0 all n samples of all rounds are index 0.
    """
    rows = [
        (temperature, 0 if temperature == 0 else (number - 1) * ROUND + i)
        for temperature in temperatures
        for i in range(n)
    ]
    table = pl.DataFrame(rows, schema={"temperature": pl.Float64, "index": pl.Int32}, orient="row")
    return table.with_columns(sample_id=pl.int_range(pl.len(), dtype=pl.Int32) + first_sample_id)


def assemble(partition: Partition, wanted: pl.DataFrame, number: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Samples from the store: `wanted` has query_id, sample_id and the columns of KEY.

    Returns the table (SAMPLES) and the stored rows behind it. Raises UserError when some are missing.
    """
    stored = partition.find(wanted.select(list(KEY)).unique())
    samples = wanted.join(stored, on=list(KEY), how="inner")
    if samples.height < wanted.height:
        raise UserError(
            f"{wanted.height - samples.height} completions are missing from {partition.folder} after sampling; "
            "another process may have damaged it, run again"
        )
    return samples.with_columns(round=pl.lit(number, pl.Int32)), stored


def write_samples(samples: pl.DataFrame, output: Path) -> None:
    """Write SAMPLES; a table without rows is one too."""
    write(samples if samples.height else pl.DataFrame(schema=SAMPLES), output, SAMPLES)


def write_ledger(path: Path, ledger: Mapping[str, object]) -> None:
    """Write what a step spent, as JSON, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(json.dumps(ledger, indent=1) + "\n")
    draft.replace(path)
