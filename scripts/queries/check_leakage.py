"""Check that no question stands on both sides of a line: queries, benchmarks -> report (rules:
scripts.lib.data.leakage)."""

import json
import sys
from pathlib import Path
from typing import Literal

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.leakage import leaks
from scripts.lib.data.tables import QUERIES, read, write
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli

COLUMNS = ("train_file", "held_out_file", "train_id", "held_out_id", "kind", "overlap")


TEXTS = ("train_question", "held_out_question")
EMPTY = pl.DataFrame(schema=dict.fromkeys((*COLUMNS, *TEXTS), pl.String) | {"overlap": pl.Float64})


def check(train: dict[Path, pl.DataFrame], held_out: dict[Path, pl.DataFrame]) -> pl.DataFrame:
    """Compare every training file with every held-out one; `leaks` columns, with the files and the two
    questions."""
    parts = []
    for path, table in train.items():
        for other, held in held_out.items():
            if path != other:
                found = leaks(table, held).with_columns(
                    pl.lit(str(path)).alias("train_file"), pl.lit(str(other)).alias("held_out_file")
                )
                texts = (
                    side.select(
                        pl.col("query_id").alias(f"{name}_id"), pl.col("question").alias(f"{name}_question")
                    )
                    for name, side in (("train", table), ("held_out", held))
                )
                for text, name in zip(texts, ("train_id", "held_out_id"), strict=True):
                    found = found.join(text, on=name, maintain_order="left")
                parts.append(found.select(*COLUMNS, *TEXTS))
    return pl.concat([EMPTY, *parts])


def without(table: pl.DataFrame, found: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The queries of `path` that leak nowhere."""
    bad = found.filter((pl.col("train_file") == str(path)) & (pl.col("kind") != "template"))
    return table.join(bad, left_on="query_id", right_on="train_id", how="anti", maintain_order="left")


def main(
    train: Path,
    held_out: list[Path],
    output: Path,
    validation: Path | None = None,
    on_leak: Literal["fail", "drop"] = "fail",
    clean_train: Path | None = None,
    clean_validation: Path | None = None,
) -> None:
    """List questions of training that also stand in validation or benchmarks, and validation's that stand in
    benchmarks.

    Args:
        train: Training queries.
        held_out: Benchmarks and other questions that training must not see.
        output: The report, JSON: counts, and every offending pair.
        validation: Validation queries; held out from training, and themselves checked against `held_out`.
        on_leak: Stop the run, or leave the offending training and validation queries out of the clean files.
        clean_train: Training queries that leak nowhere.
        clean_validation: Validation queries that stand in no benchmark.
    """
    if on_leak == "drop" and clean_train is None:
        raise UserError("on_leak is drop, and there is nowhere to write what is left; give clean_train")
    paths = [train, *([validation] if validation else []), *held_out]
    tables = {path: read(path, QUERIES) for path in paths}
    found = check({train: tables[train]}, {path: tables[path] for path in paths[1:]})
    if validation is not None:
        found = pl.concat(
            [found, check({validation: tables[validation]}, {path: tables[path] for path in held_out})]
        )
    serious = found.filter(pl.col("kind") != "template")
    counts = {kind: found.filter(pl.col("kind") == kind).height for kind in ("exact", "near", "template")}
    report = {
        "rules": "scripts/lib/data/leakage.py",
        "files": {str(path): table.height for path, table in tables.items()},
        "on_leak": on_leak,
        "counts": counts,
        "pairs": found.to_dicts(),
    }
    write_json(report, output, ensure_ascii=False)
    summary = f"{counts['exact']} equal and {counts['near']} nearly equal questions"
    if serious.height and on_leak == "fail":
        first = serious.row(0, named=True)
        # Snakemake deletes the report of a failed step; the log keeps the pairs.
        for row in serious.head(20).iter_rows(named=True):
            print(json.dumps(row, ensure_ascii=False), file=sys.stderr)
        raise UserError(
            f"{summary} stand on both sides, the first is {first['train_id']!r} in {first['train_file']} and "
            f"{first['held_out_id']!r} in {first['held_out_file']}; take them out, or set on_leak to drop"
        )
    for path, clean in ((train, clean_train), (validation, clean_validation)):
        if path is not None and clean is not None:
            kept = without(tables[path], found, path)
            if kept.is_empty() and not tables[path].is_empty():
                raise UserError(f"{path}: every question is held out elsewhere, none is left; bring others")
            write(kept, clean, QUERIES)
            print(f"{kept.height} of {tables[path].height} queries of {path} are clean", file=sys.stderr)
    print(f"{summary}; {counts['template']} differ in their numbers only", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
