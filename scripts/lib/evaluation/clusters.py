"""A proportion's interval where rows come in clusters: the pairs, or the samples, of one query are no
independent draws."""

from statistics import NormalDist

import polars as pl

from scripts.lib.evaluation.intervals import Estimate, student_point, wilson


def clustered(rows: pl.DataFrame, hit: str, cluster: str = "query_id") -> Estimate:
    """The share of rows in which `hit` (Boolean) holds, and its 95 % interval over clusters; `n` counts rows.

    Wilson's interval of so many independent rows as leave the ratio estimator's variance between clusters: no
    more than there are, fewer for the degrees of freedom of few clusters (Korn and Graubard 1998). Where
    clusters do not differ, each counts as one row.
    """
    counted = rows.group_by(cluster).agg(pl.col(hit).sum(), pl.len()).sort(cluster)
    hits, numbers = (counted[name].to_numpy().astype(float) for name in (hit, "len"))
    clusters, n = len(counted), rows.height
    if not n:
        return wilson(0, 0)
    share = float(hits.sum()) / n
    variance = float(((hits - share * numbers) ** 2).sum()) / n**2 * clusters / max(clusters - 1, 1)
    effective = float(clusters)
    if variance and clusters > 1:
        narrower = NormalDist().inv_cdf(0.975) / student_point(0.05, clusters - 1)
        effective = min(n, share * (1 - share) / variance * narrower**2)
    alone = max(1, round(effective))
    return wilson(share * alone, alone)._replace(value=share, n=n)
