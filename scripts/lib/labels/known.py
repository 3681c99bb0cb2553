"""Labels of known worth, to see what a method makes of them: all right (golds), or so many of them wrong."""

import numpy as np
import polars as pl

from scripts.lib.data.hashing import fractions, keys
from scripts.lib.errors import UserError
from scripts.lib.tasks.bulk import golds_like


def by_golds(labels: pl.DataFrame, golds: pl.DataFrame, answers: pl.DataFrame, task: str) -> pl.DataFrame:
    """`LABELS` with each query's gold as its label, written as the `answers` (query_id, answer) that are the
    same; reason "ok". Shares and votes stay those of the vote. Raises UserError where a query has no gold."""
    table = labels.join(golds_like(task, golds, answers), on="query_id", how="left", maintain_order="left")
    if table["gold"].null_count():
        raise UserError(
            f"{table['gold'].null_count()} of {table.height} queries have no reference answer, the first is "
            f"{table.filter(pl.col('gold').is_null())['query_id'][0]!r}; let votes give the labels (vote.by)"
        )
    return table.with_columns(label=pl.col("gold"), reason=pl.lit("ok")).select(labels.columns)


def disturbed(labels: pl.DataFrame, answers: pl.DataFrame, noise: float) -> pl.DataFrame:
    """`LABELS` of which about that share are replaced, by the query's hash: more noise keeps what less does.

    The other answer is one of the query's own `answers` (query_id, answer), by hash; where all its samples
    agree, another query's label. So a wrong label is one that samples may be graded right by.
    """
    known = labels.drop_nulls("label").select("query_id", "label")
    hit = known.filter(pl.Series(fractions(known["query_id"], 0, "label noise") < noise, dtype=pl.Boolean))
    if hit.is_empty():
        return labels
    own = answers.drop_nulls("answer").join(hit, on="query_id").filter(pl.col("answer") != pl.col("label"))
    own = own.select("query_id", "answer").unique()
    place = pl.Series("place", keys(own["query_id"] + "/" + own["answer"], 0, "label noise"))
    own = own.with_columns(place).sort("query_id", "place").unique("query_id", keep="first")
    every = known["label"].unique().sort()
    wrong = hit.join(own, on="query_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("answer", _others(hit, every)).alias("wrong")
    )
    table = labels.join(wrong.select("query_id", "wrong"), on="query_id", how="left", maintain_order="left")
    return table.with_columns(label=pl.coalesce("wrong", "label")).select(labels.columns)


def _others(hit: pl.DataFrame, every: pl.Series) -> pl.Series:
    """For each row (query_id, label) another one of all labels, by the query's hash; its own if alone."""
    own = every.search_sorted(hit["label"]).to_numpy()
    steps = keys(hit["query_id"], 0, "another label") % np.uint64(max(1, len(every) - 1)) + np.uint64(1)
    return every.gather((own + steps.astype(np.int64)) % len(every))
