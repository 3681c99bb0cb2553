"""Make queries from a file of questions: questions -> train, validation and test queries, golds apart.

The split goes by the hash of the seed and of the question (of its group, where it has one), not by position:
500 more questions leave the old ones where they are, and shares come out about right
(GSM8K's 10 % is 747 of 7,473 give or take some 25). Questions that are equal after normalisation,
near duplicates or one template (scripts.lib.data.leakage), and those of one group, stay together.
Worked examples for the prompt (`shots`) go with each question; the column that they are chosen by has no say
in the split.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.hashing import content_id, held_out
from scripts.lib.data.leakage import leaks, normalise
from scripts.lib.data.settings import USUAL, Choosers, Columns, Rows, Shots, Split
from scripts.lib.data.sources import Format, find_column, find_files, id_of, read_rows
from scripts.lib.data.tables import GOLDS, QUERIES, SHOT, write
from scripts.lib.errors import UserError, shown
from scripts.lib.process.cli import cli
from scripts.lib.tasks import is_judged, task_of
from scripts.lib.tasks.choice import CHOICE, LETTERS
from scripts.lib.tasks.open import OPEN
from scripts.lib.tasks.verifier import is_verifier


def gold_of(raw: Any, options: Sequence[str], task: str) -> str | None:
    """The canonical gold of a cell, read by the task and held against the options; None for an empty cell.

    A user's own verifier reads it where it is compared, as it is written:
    an edit there must not ask for samples again.
    """
    text = "" if raw is None else str(raw).strip()
    if not text or is_verifier(task):
        return text or None
    if isinstance(raw, list | dict | bytes):
        raise UserError(f"{shown(raw)} is neither text nor a number; write it as one, or name another column")
    family = task_of(task)
    gold = family.gold(text)
    if family.check is not None:
        family.check(gold, options)
    return gold


def read_row(row: dict[str, Any], columns: dict[str, str | None], task: str) -> dict[str, Any]:
    """One row as query_id (None: to be named), question, options, group, gold and kind, whose examples it is
    shown. Raises UserError without the row's place."""
    cell = {name: row.get(column) if column else None for name, column in columns.items()}
    question = cell["question"]
    if not isinstance(question, str) or not question.strip():
        what = (
            "is missing"
            if question is None
            else "is not text"
            if not isinstance(question, str)
            else "is empty"
        )
        raise UserError(f"the question ({columns['question']}) {what}; fill it in or remove the row")
    options = cell["options"] if cell["options"] is not None else []
    if not isinstance(options, list):
        raise UserError(
            f"the options ({columns['options']}) are not a list; make them one, or name another column"
        )
    if columns["id"] and cell["id"] in (None, ""):
        raise UserError(f"the id ({columns['id']}) is missing; fill it in, or set id_column to content")
    try:
        name = id_of(cell["id"]) if columns["id"] else None
    except UserError as error:
        raise UserError(f"the id ({columns['id']}) {error}, or set id_column to content") from None
    if len(options) > len(LETTERS) and (task == CHOICE.name or is_judged(task)):
        raise UserError(
            f"the options ({columns['options']}) are {len(options)}, and letters name {len(LETTERS)}; "
            "leave the row out, or read answers by their text (task: exact)"
        )
    for number, option in enumerate(options, start=1):
        if not isinstance(option, str | int | float) or option != option:
            raise UserError(
                f"option {number} ({columns['options']}) is {option!r}, no text; fill it in or remove the row"
            )
    options = [str(option).strip() for option in options]
    try:
        gold = gold_of(cell["answer"], options, task) if not is_judged(task) else None
    except UserError as error:
        raise UserError(f"the answer ({columns['answer']}): {error}") from None
    return {
        "query_id": name,
        "question": question.strip(),
        "options": options,
        "group": "" if cell["group"] is None else str(cell["group"]),
        "gold": gold,
        "kind": "" if cell["kind"] is None else str(cell["kind"]),
    }


def read_source(
    source: Path,
    split: str,
    form: Format,
    columns: dict[str, str | None],
    usual: dict[str, tuple[str, ...]],
    task: str,
) -> pl.DataFrame:
    """Every row of the source: `QUERIES`, gold and kind; logs the files' hashes.

    `columns`: what the user named, None to look for the `usual` names; the id "content" asks for ids by
    content, "row" for row numbers from 0 over all files.
    """
    found: list[dict[str, Any]] = []
    for path in find_files(source, split):
        rows, revision = read_rows(path, form)
        named = {
            what: find_column(rows, columns.get(what), names, what, path, needed=what == "question")
            for what, names in usual.items()
            if what != "id" or columns["id"] not in ("content", "row")
        }
        named.setdefault("id", "row" if columns["id"] == "row" else None)
        print(f"{path}: {len(rows)} rows, sha256 {revision}, columns {named}", file=sys.stderr)
        wrong: list[str] = []
        for number, row in enumerate(rows, start=1):
            try:
                found.append(read_row({"row": len(found)} | row, named, task))
            except UserError as error:
                wrong.append(f"row {number}: {error}")
        if wrong:
            more = f" ({len(wrong)} of {len(rows)} rows are wrong)" if len(wrong) > 1 else ""
            raise UserError(f"{path} {wrong[0]}{more}")
    schema = {**QUERIES, "gold": pl.String(), "kind": pl.String()}
    return pl.DataFrame(found, schema=schema, orient="row")


def read_shots(shots: Shots, columns: dict[str, str | None]) -> pl.DataFrame:
    """The worked examples of a file in its order: question, options, answer and kind ("" where there is one).

    `columns`: the questions' own. Raises UserError for a column or a cell that is missing.
    """
    own = {"question": columns["question"], "options": columns["options"], "kind": shots.group_column}
    found = []
    for path in find_files(shots.file or Path(), "validation"):
        rows, revision = read_rows(path)
        named = {
            what: find_column(rows, own[what], USUAL[what], what, path, needed=what == "question")
            for what in own
        } | {"answer": None, "id": None, "group": None}
        worked = find_column(rows, shots.answer_column, (), "worked answer", path)
        print(f"{path}: {len(rows)} worked examples, sha256 {revision}, columns {named}", file=sys.stderr)
        for number, row in enumerate(rows, start=1):
            try:
                example = read_row(row, named, OPEN.name)
            except UserError as error:
                raise UserError(f"{path} row {number}: {error}") from None
            answer = row.get(worked or "")
            if not isinstance(answer, str) or not answer.strip():
                raise UserError(f"{path} row {number}: the worked answer ({worked}) is no text; fill it in")
            found.append({**example, "answer": answer.strip()})
    return pl.DataFrame(found, schema={**dict(SHOT.to_schema()), "kind": pl.String()}, orient="row")


def with_shots(table: pl.DataFrame, examples: pl.DataFrame, shots: Shots) -> pl.DataFrame:
    """The questions with the first n examples of their kind as `shots`.

    Raises UserError where an example is itself among the questions, or a kind has fewer than n.
    """
    text = pl.concat_str("question", pl.col("options").list.join("\n"), separator="\n").map_batches(
        normalise, return_dtype=pl.String
    )
    known = examples.filter(text.is_in(table.select(text).to_series().implode()))
    if known.height:
        raise UserError(
            f"{shots.file}: {known.height} of {examples.height} worked examples are among the questions, "
            f"first {known['question'][0][:80]!r}; show examples of a split of their own"
        )
    first = examples.group_by("kind").agg(pl.struct(*SHOT.to_schema()).head(shots.n).alias("shots"))
    table = table.drop("shots").join(first, on="kind", how="left", maintain_order="left")
    lacking = table.filter(pl.col("shots").list.len().fill_null(0) < shots.n).sort(
        "kind", maintain_order=True
    )
    if lacking.height:
        kind = lacking["kind"][0]
        has = examples.filter(pl.col("kind") == kind).height
        of = f" of {shots.group_column} {kind!r}" if shots.group_column else ""
        raise UserError(
            f"{shots.file} has {has} worked examples for the questions{of}, and shots.n is {shots.n} "
            f"({lacking.height} of {table.height} questions lack some); add examples, or lower n"
        )
    return table


def name_rows(table: pl.DataFrame, source: Path, keep_copies: bool) -> pl.DataFrame:
    """Check given ids, and name rows without one by the hash of question and options.

    A question that occurs again with the same options is left out, or kept as `<id>-2` where copies count
    (benchmarks: their n is fixed). Raises UserError for ids given twice.
    """
    given = table["query_id"].drop_nulls()
    twice = [name for name, count in Counter(given.to_list()).items() if count > 1]
    if twice:
        raise UserError(
            f"{source}: {len(twice)} ids occur twice, the first is {twice[0]!r}; make them unique, "
            "or set id_column to content"
        )
    names = [
        row["query_id"] or content_id(row["question"], *row["options"])
        for row in table.select("query_id", "question", "options").iter_rows(named=True)
    ]
    table = table.with_columns(pl.Series("query_id", names, dtype=pl.String))
    copy = pl.int_range(pl.len()).over("query_id")
    if keep_copies:
        numbered = pl.format("{}-{}", "query_id", copy + 1)
        return table.with_columns(pl.when(copy > 0).then(numbered).otherwise("query_id").alias("query_id"))
    conflicts = table.group_by("query_id").agg(pl.col("gold").n_unique()).filter(pl.col("gold") > 1).height
    kept = table.filter(copy == 0)
    if kept.height < table.height:
        note = f", {conflicts} of them with another answer" if conflicts else ""
        print(f"{table.height - kept.height} repeated questions are left out{note}", file=sys.stderr)
    return kept


def units(table: pl.DataFrame) -> pl.Series:
    """What moves as one in a split: the smallest member of everything that is tied together, for each row.

    Ties: one group, equal normalised texts, near duplicates and templates.
    """
    texts = normalise(table["question"])
    # Only distinct texts are compared: the exact pairs of a frequent text would be quadratic.
    distinct = pl.DataFrame({"query_id": texts, "question": table["question"]}).unique(
        "query_id", maintain_order=True
    )
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    ties = [
        (f"group {group}", f"text {text}") for group, text in zip(table["group"], texts, strict=True) if group
    ]
    pairs = leaks(distinct, distinct).filter(pl.col("train_id") < pl.col("held_out_id"))
    ties += [
        (f"text {one}", f"text {other}") for one, other in pairs.select("train_id", "held_out_id").iter_rows()
    ]
    for one, other in ties:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return pl.Series("unit", [root(f"text {text}") for text in texts], dtype=pl.String)


def split_rows(table: pl.DataFrame, validation: float, test: float, seed: int) -> pl.Series:
    """train, validation or test for each row: the test share of all units, then the validation share of the
    rest."""
    names = table.select(units(table)).with_row_index("row")
    each = names["unit"].unique().sort()
    tested = each.filter(pl.Series(held_out(each, test, seed, "test")))
    rest = each.filter(~each.is_in(tested.implode()))
    validated = rest.filter(pl.Series(held_out(rest, validation, seed, "validation")))
    unit = pl.col("unit")
    part = (
        pl.when(unit.is_in(tested.implode()))
        .then(pl.lit("test"))
        .when(unit.is_in(validated.implode()))
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    return names.select(part.alias("split")).to_series()


def write_part(table: pl.DataFrame, name: str, queries: Path, golds: Path | None) -> None:
    """Write queries without golds, and golds apart."""
    write(table, queries, QUERIES)
    answered = table.drop_nulls("gold").select("query_id", pl.col("gold").alias("answer"))
    if golds is not None:
        write(answered, golds, GOLDS)
    print(f"{name}: {table.height} queries, {answered.height} with an answer", file=sys.stderr)


def check_answered(validation: pl.DataFrame, source: Path) -> None:
    """Raise UserError where golds are to choose checkpoints and a validation question has none."""
    without = validation["gold"].null_count()
    if without:
        raise UserError(
            f"{source}: {without} of {validation.height} validation questions have no answer to choose "
            "checkpoints by; add them, or set chosen_by: votes for the teacher to vote on these, too"
        )


def check_left(parts: pl.Series, shares: Split, source: Path) -> None:
    """Raise UserError where a part of the split that is asked for has no question."""
    lower = "lower validation_fraction" + " or test_fraction" * (shares.test_fraction > 0)
    wanted = (
        ("train", 1.0, "learn from", lower),
        ("validation", shares.validation_fraction, "choose checkpoints by", "set validation_fraction to 0"),
        ("test", shares.test_fraction, "test on", "set test_fraction to 0"),
    )
    for part, share, use, mend in wanted:
        if share > 0 and not (parts == part).any():
            raise UserError(f"{source}: no question is left to {use}; bring more, or {mend}")


def main(
    input: Path,
    task: str,
    train: Path | None = None,
    train_golds: Path | None = None,
    validation: Path | None = None,
    validation_golds: Path | None = None,
    test: Path | None = None,
    test_golds: Path | None = None,
    queries: Path | None = None,
    golds: Path | None = None,
    format: Format = "auto",
    split: str = "train",
    named: OmitArgPrefixes[Columns] = Columns(),  # noqa: B008
    rows: OmitArgPrefixes[Rows] = Rows(),  # noqa: B008
    shares: OmitArgPrefixes[Split] = Split(),  # noqa: B008
    shots: Shots = Shots(),  # noqa: B008
    seed: int = 0,
    chosen_by: Choosers = "votes",
) -> None:
    """Read questions and split them, or keep them whole as a benchmark (`queries`, `golds`).

    Args:
        input: JSONL, JSON or Parquet (may be gzipped), or a folder of such files as the hub lays them out.
        task: How the answers, where there are any, are read.
        train: Training queries.
        train_golds: Their answers.
        validation: Validation queries.
        validation_golds: Their answers.
        test: Test queries.
        test_golds: Their answers.
        queries: All queries, as a benchmark; excludes the three splits.
        golds: The benchmark's answers.
        format: Of the files; auto looks at the content.
        split: Which files of a folder.
        named: Columns, by default question, prompt, instruction or query; answer or gold; options or choices.
        rows: Of their ids and groups, by default query_id, question_id or id, else the content's hash; group,
            and perturbation_type of a benchmark. Completions from elsewhere often name rows by number.
        shares: What is held out.
        shots: Worked examples that each question's prompt shows.
        seed: Of the split.
        chosen_by: What chooses checkpoints on the validation questions; golds: each of them needs its answer.
    """
    whole = queries is not None
    if whole == any(path is not None for path in (train, validation, test)):
        raise UserError(
            "give train and validation (and test) to split the questions, or queries to keep them whole"
        )
    if not whole and (train is None or validation is None or (shares.test_fraction > 0 and test is None)):
        raise UserError("a split needs train and validation, and test where test_fraction is above 0")
    columns = {
        "question": named.question_column,
        "answer": named.answer_column,
        "options": named.options_column,
        "id": rows.id_column,
        "group": rows.group_column,
        "kind": shots.group_column,
    }
    usual = USUAL | {"group": ("group", "perturbation_type")} if whole else USUAL
    table = name_rows(read_source(input, split, format, columns, usual, task), input, keep_copies=whole)
    if shots.file is None:
        table = table.with_columns(shots=pl.lit([], dtype=QUERIES["shots"]))
    else:
        table = with_shots(table, read_shots(shots, columns), shots)
    if queries is not None:
        write_part(table, "benchmark", queries, golds)
        return
    parts = split_rows(table, shares.validation_fraction, shares.test_fraction, seed)
    check_left(parts, shares, input)
    if chosen_by == "golds":
        check_answered(table.filter(parts == "validation"), input)
    outputs = {
        "train": (train, train_golds),
        "validation": (validation, validation_golds),
        "test": (test, test_golds),
    }
    for name, (path, gold_path) in outputs.items():
        if path is not None:
            write_part(table.filter(parts == name), name, path, gold_path)


if __name__ == "__main__":
    cli(main)
