"""A few questions with answers of a teacher and a student, and their pairs, for the tests of the training
steps."""

from pathlib import Path

import polars as pl

from scripts.lib.data import tables


def write_training_data(folder: Path, queries: int = 8) -> dict[str, Path | list[Path]]:
    """Write queries, golds, samples, grades and pairs in the tiny tokenizer's words; returns the flags naming
    them.

    Of each query, samples 0 and 1 are right and 2 is wrong, for the teacher and for the student.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"q{number}" for number in range(queries)]
    right = [number % 9 + 1 for number in range(queries)]
    text = [f"Ana has {number} pens . How many now ?" for number in right]
    asked = pl.DataFrame({"query_id": ids, "question": text}).with_columns(
        options=pl.lit([], dtype=pl.List(pl.String)), group=pl.lit(""), shots=pl.lit(None)
    )
    tables.write(asked, folder / "queries.parquet", tables.QUERIES)
    golds = pl.DataFrame({"query_id": ids, "answer": [str(number) for number in right]})
    tables.write(golds, folder / "golds.parquet", tables.GOLDS)
    prompt = folder / "prompt.jinja"
    prompt.write_text("{{ question }}\n")
    for name, opening in (("teacher", "Step 1 : "), ("student", "")):
        rows = [
            (query, number, f"{opening}{extra}The answer is {value if number < 2 else 20 - value} .")
            for query, value in zip(ids, right, strict=True)
            for number, extra in enumerate(("", "+ ", "- "))
        ]
        table = pl.DataFrame(rows, schema=["query_id", "sample_id", "completion"], orient="row").with_columns(
            finish_reason=pl.lit("stop"),
            num_tokens=pl.lit(6),
            temperature=pl.lit(1.0),
            round=pl.lit(1),
            reasoning=None,
            reasoning_tokens=None,
            answer=pl.lit(None, dtype=pl.String),
            status=pl.lit("ok"),
            score=(pl.col("sample_id") < 2).cast(pl.Float64),
        )
        tables.write(table, folder / f"{name}.parquet", tables.SAMPLES)
        tables.write(table, folder / f"{name}_grades.parquet", tables.GRADES)
    pairs = [
        (query, kind, source, 0, 1.0, "student", rejected, score, "validation" if at < 2 else "train")
        for at, query in enumerate(ids)
        for kind, source, rejected, score in (
            ("student_student", "student", 2, 0.0),
            ("teacher_student", "teacher", 1, 1.0),
        )
    ]
    table = pl.DataFrame(pairs, schema=list(tables.PAIRS), orient="row")
    tables.write(table, folder / "pairs.parquet", tables.PAIRS)
    held_out = table.with_columns(split=pl.col("split").replace("validation", "test"))
    tables.write(held_out, folder / "held_out.parquet", tables.PAIRS)
    return {"queries": folder / "queries.parquet", "prompt": prompt}


def outputs(folder: Path, state: Path) -> dict[str, Path]:
    """The flags that name a step's outputs."""
    names = {"output": "model", "metrics": "metrics.jsonl", "identity": "identity.json"}
    return {flag: folder / name for flag, name in names.items()} | {"state": state}
