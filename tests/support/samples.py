"""Small files of samples, answers and grades for the tests of the data steps."""

from pathlib import Path

import polars as pl

from scripts.label import read_answers
from scripts.lib.data.tables import GRADES, SAMPLES, write


def samples(path: Path, rows: list[tuple], round: int = 1, start: int = 0) -> Path:
    """Write (query_id, completion[, temperature[, finish_reason]]) as a samples file; sample ids count from
    `start`."""
    counts: dict[str, int] = {}
    table = []
    for row in rows:
        query, text, temperature, reason = (*row, *(0.5, "stop")[len(row) - 2 :])
        counts[query] = counts.get(query, start - 1) + 1
        table.append((query, counts[query], text, reason, len(text.split()), temperature, round, None, None))
    write(pl.DataFrame(table, schema=SAMPLES, orient="row"), path, SAMPLES)
    return path


def answers(path: Path, rows: list[tuple], round: int = 1, start: int = 0) -> Path:
    """Write the answers of such samples as numbers; the samples lie beside them."""
    file = samples(path.with_stem(f"{path.stem}_samples"), rows, round, start)
    read_answers.main(file, "numeric", path)
    return path


def stated(answers: str) -> list[str]:
    """Distinct completions that state the given one-letter answers; "-" states none."""
    return [
        f"Way {i} : we count ." if answer == "-" else f"Way {i} . The answer is {answer} ."
        for i, answer in enumerate(answers)
    ]


def grades(path: Path, rows: list[tuple[str, float | None]]) -> Path:
    """Write (query_id, score) as a grades file; sample ids count from 0 within a query."""
    table = pl.DataFrame(rows, schema={"query_id": pl.String, "score": pl.Float64}, orient="row")
    sample = pl.int_range(pl.len(), dtype=pl.Int32).over("query_id")
    extra = (
        sample.alias("sample_id"),
        pl.lit(None, dtype=pl.String).alias("answer"),
        pl.lit("ok").alias("status"),
    )
    write(table.with_columns(*extra), path, GRADES)
    return path
