"""Preference pairs as ids (Eq. 5, 6), without the pairs of equal texts, under caps that a hash decides; their
parts, and their ratio."""

from typing import Any

import numpy as np
import polars as pl

from scripts.lib.data.hashing import held_out, keys, mix
from scripts.lib.errors import UserError
from scripts.lib.labels.settings import Pairing

Funnel = dict[str, Any]
KINDS = ("teacher_student", "student_student")
"""Of Eq. 5: T+ over S+, and a better S over a worse S."""
TEACHERS_OWN = "teacher_teacher"
"""The teacher's better answers over its worse ones, for Table 6's ORM-T; not of Eq. 5."""
KIND, SOURCE, SPLIT = (
    pl.Enum(sorted(names))
    for names in ([*KINDS, TEACHERS_OWN], ["teacher", "student"], ["train", "validation", "test"])
)
"""The words of `PAIRS` while pairs are in memory, a byte each; they sort as the words do."""


def contrast(grades: pl.DataFrame, best: float) -> tuple[pl.DataFrame, Funnel]:
    """Keep the queries on which the student's scores differ (the sentence after Eq. 4).

    `grades`: query_id, score (null: the judge failed, left out). For verifiable tasks "all equal" is all
    right or all wrong; for judged ones all-wrong means one score under `best` throughout, since scores that
    differ still order answers (Eq. 5). Returns the kept query_id and the counts sampled = all_right +
    all_wrong + kept.
    """
    ranges = (
        grades.drop_nulls("score")
        .group_by("query_id")
        .agg(pl.col("score").min().alias("low"), pl.col("score").max().alias("high"))
        .sort("query_id")
    )
    flat = ranges.filter(pl.col("low") == pl.col("high"))
    kept = ranges.filter(pl.col("low") < pl.col("high")).select("query_id")
    right = flat.filter(pl.col("high") == best).height
    counts = {
        "sampled": ranges.height,
        "all_right": right,
        "all_wrong": flat.height - right,
        "kept": kept.height,
    }
    return kept, counts


def _distinct(side: pl.DataFrame) -> pl.DataFrame:
    """One row for each (query, text, score), under the lowest sample_id, sorted by query; `copies` counts the
    samples it stands for."""
    copies = pl.len().cast(pl.Int64).alias("copies")
    return side.group_by("query", "text", "score").agg(pl.col("sample_id").min(), copies).sort("query")


def _cross(chosen: pl.DataFrame, rejected: pl.DataFrame, ordered: bool) -> tuple[pl.DataFrame, Funnel]:
    """Every pair of a query with two different texts, sorted by query as the sides are, and how many samples'
    pairs that leaves out.

    `ordered` asks for a higher score of the chosen one. P(q) is a set (Eq. 5):
    pairs of samples with the same two texts and scores count once, under the lowest sample ids,
    and the others are `repeated`.
    """
    both = chosen.join(rejected, on="query", suffix="_rejected", maintain_order="left")
    if ordered:
        both = both.filter(pl.col("score") > pl.col("score_rejected"))
    weight = pl.col("copies") * pl.col("copies_rejected")
    equal = pl.col("text") == pl.col("text_rejected")
    possible, identical = both.select(weight.sum(), weight.filter(equal).sum().alias("equal")).row(0)
    pairs = both.filter(~equal).select("query", "sample_id", "score", "sample_id_rejected", "score_rejected")
    return pairs, {
        "possible": possible,
        "identical": identical,
        "repeated": possible - identical - pairs.height,
    }


def _smallest(pairs: pl.DataFrame, cap: int) -> pl.DataFrame:
    """At most `cap` pairs per query, those of the smallest `order`; 0: all.

    `pairs` are sorted by query: a window over sorted groups takes a fifth of the time.
    """
    last = pl.col("order").bottom_k(cap).max().over("query")
    return pairs.filter(pl.col("order") <= last) if cap else pairs


def build(
    teacher: pl.DataFrame,
    student: pl.DataFrame,
    best: float,
    caps: dict[str, int],
    seed: int,
) -> tuple[pl.DataFrame, Funnel]:
    """Make the pairs P(q) of Eq. 5.

    `teacher` (T+, best scores only) and `student` (S, all scores):
    query_id, sample_id, score, text (u64 hash). teacher_student pairs T+ with S+,
    student_student a better S with a worse S. Caps keep the pairs with the smallest hash of (seed, query,
    kind, ids), so a query's choice does not depend on other queries. Returns `PAIRS` columns without split,
    `order` (that hash, u64), and for each kind counts: possible = identical + repeated + capped + those
    returned.
    """
    names = pl.concat([teacher["query_id"], student["query_id"]]).unique().sort()
    codes = pl.DataFrame({"query_id": names}).with_row_index("query")
    salts = {kind: keys(names, seed, kind) for kind in KINDS}
    teacher, student = (side.join(codes, on="query_id").drop("query_id") for side in (teacher, student))

    plus = _distinct(student.filter(pl.col("score") == best))
    distinct = _distinct(student)
    low, high = pl.col("score").min().over("query"), pl.col("score").max().over("query")
    crossed = {
        "teacher_student": _cross(_distinct(teacher), plus, ordered=False),
        "student_student": _cross(
            distinct.filter(pl.col("score") > low), distinct.filter(pl.col("score") < high), ordered=True
        ),
    }
    pairs, counts = {}, {}
    for kind, (table, counted) in crossed.items():
        index = table["query"].to_numpy()
        order = mix(salts[kind][index], table["sample_id"].to_numpy(), table["sample_id_rejected"].to_numpy())
        table = table.with_columns(pl.Series("order", order, dtype=pl.UInt64))
        pairs[kind] = _smallest(table, caps[kind])
        counts[kind] = counted | {"capped": table.height - pairs[kind].height}

    table = pl.concat(
        pairs[kind].select(
            "query",
            pl.lit(kind, KIND).alias("kind"),
            pl.lit(kind.split("_")[0], SOURCE).alias("chosen_source"),
            pl.col("sample_id").alias("chosen_sample_id"),
            pl.col("score").alias("chosen_score"),
            pl.lit("student", SOURCE).alias("rejected_source"),
            pl.col("sample_id_rejected").alias("rejected_sample_id"),
            pl.col("score_rejected").alias("rejected_score"),
            "order",
        )
        for kind in KINDS
    )
    return table.join(codes, on="query").drop("query"), counts


def queries_of(teacher: pl.DataFrame, student: pl.DataFrame, best: float) -> pl.DataFrame:
    """The queries of which `build` makes a pair, sorted: query_id.

    `teacher` and `student` as there, where the student's scores differ (`contrast`): a second text is enough
    then. The student's goes with its better or its worse answer; T+'s with one that is as good.
    """
    right = student.filter(pl.col("score") == best)
    texts = pl.concat([student, teacher.join(right, on="query_id", how="semi")])
    counted = texts.group_by("query_id").agg(pl.col("text").n_unique())
    return counted.filter(pl.col("text") > 1).select("query_id").sort("query_id")


def hold_out(queries: pl.DataFrame, fraction: float, seed: int) -> pl.DataFrame:
    """The queries whose pairs are the test split: about that share, by their hash (`hashing.held_out`).

    `queries`: query_id, all that there are pairs of.
    """
    return queries.filter(held_out(queries["query_id"], fraction, seed, "pair test"))


def split_queries(pairs: pl.DataFrame, test: pl.DataFrame, fraction: float, seed: int) -> pl.DataFrame:
    """The pairs of no query of `test`, and their `split`, train or validation, by another hash of the query.

    Queries are left out before pairs are looked at: of these one copy less is held.
    """
    queries = _queries(pairs).join(test, on="query_id", how="anti", maintain_order="left")
    chosen = held_out(queries["query_id"], fraction, seed, "pair split")
    names = np.where(chosen, "validation", "train").tolist()
    return pairs.join(queries.with_columns(pl.Series("split", names, dtype=SPLIT)), on="query_id")


def _queries(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(pl.col("query_id").unique().sort())


def thin(pairs: pl.DataFrame, teacher_ratio: float) -> pl.DataFrame:
    """Of the training pairs so many of each kind that `teacher_ratio` teacher pairs come on one student pair.

    `pairs`: `build`'s with split. As many pairs N as the rarer kind has are kept in all, whatever the ratio:
    N r / (1 + r) of the teacher's and the rest of the student's, by another hash than `order`, which is
    smaller where a cap had more to choose from. Validation pairs stay. Raises UserError where training has
    none of a kind.
    """
    train = pairs.filter(pl.col("split") == "train")
    place = pl.Series("place", mix(train["order"].to_numpy()))
    train = train.with_columns(place).sort("place", "query_id").drop("place")
    kinds = {kind: train.filter(pl.col("kind") == kind) for kind in KINDS}
    total = min(table.height for table in kinds.values())
    if not total:
        counts = " and ".join(f"{table.height} {kind}" for kind, table in kinds.items())
        raise UserError(f"teacher_ratio needs training pairs of both kinds, there are {counts}; drop it")
    teachers = round(total * teacher_ratio / (1 + teacher_ratio))
    wanted = {"teacher_student": teachers, "student_student": total - teachers}
    kept = [kinds[kind].head(number) for kind, number in wanted.items()]
    return pl.concat([*kept, pairs.filter(pl.col("split") != "train")])


def divide(
    every: pl.DataFrame, test: pl.DataFrame, pairing: Pairing, seed: int, counts: Funnel
) -> tuple[pl.DataFrame, Funnel]:
    """The pairs that a reward learns and is chosen on: those of no query of `test`, split, then thinned.

    `every` and `counts`: `build`'s. The counts returned say of each kind also how many were held_out, thinned
    and kept, and add up: possible = all the others.
    """
    free = pairs = split_queries(every, test, pairing.validation_fraction, seed)
    if pairing.teacher_ratio is not None and free.height:
        pairs = thin(free, pairing.teacher_ratio)
    found = {}
    for kind, count in counts.items():
        had, stayed, kept = (int((table["kind"] == kind).sum()) for table in (every, free, pairs))
        found[kind] = count | {"held_out": had - stayed, "thinned": stayed - kept, "kept": kept}
    return pairs, found
