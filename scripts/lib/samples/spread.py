"""A few samples of each query, evenly over its temperatures."""

import polars as pl


def spread(samples: pl.DataFrame, most: int, by: str) -> pl.DataFrame:
    """At most `most` rows per query (0: all), round-robin over its temperatures, the lowest first.

    `samples`: query_id, temperature and `by`, which says who comes first within a temperature. Depends on no
    order of rows; returns them sorted by query and turn.
    """
    turns = (
        samples.sort("query_id", "temperature", by)
        .with_columns(pl.int_range(pl.len()).over("query_id", "temperature").alias("turn"))
        .sort("query_id", "turn", "temperature", maintain_order=True)
        .drop("turn")
    )
    return turns.filter(pl.int_range(pl.len()).over("query_id") < most) if most else turns
