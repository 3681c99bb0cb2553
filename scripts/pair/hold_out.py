"""Hold out the pairs on which reward models are measured (Table 9): grades, answers -> pairs.

One set for all rewards after one warm-up, whatever their own pairs: those of Eq. 5 under the method's caps.
"""

import sys
from pathlib import Path

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.tables import PAIRS, write
from scripts.lib.labels.graded import Graded, paired, sides
from scripts.lib.labels.pairs import hold_out, queries_of
from scripts.lib.labels.settings import Pairing
from scripts.lib.process.cli import cli

METHOD = Pairing()


def main(
    graded: OmitArgPrefixes[Graded],
    output: Path,
    pairing: OmitArgPrefixes[Pairing] = METHOD,
    seed: int = 0,
) -> None:
    """Hold out some of the queries that there are pairs of, and pair their graded answers; none where there
    are no pairs.

    Args:
        graded: The samples to pair.
        output: The held-out pairs, as ids.
        pairing: Which pairs, and the share of their queries (test_fraction).
        seed: Of the choices under the caps and of the queries.
    """
    queries = pl.concat(
        queries_of(teacher, student, graded.best_score) for teacher, student, _ in sides(graded, pairing)
    )
    test = hold_out(queries, pairing.test_fraction, seed)
    pairs, _ = paired(graded, pairing, seed, among=test)
    write(pairs.with_columns(split=pl.lit("test")), output, PAIRS)
    print(
        f"{pairs.height} pairs of {test.height} of {queries.height} queries are held out",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli(main)
