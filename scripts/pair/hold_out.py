"""Hold out the pairs on which reward models are measured (Table 9): grades, answers -> pairs.

One set for all rewards after one warm-up, whatever their own pairs: those of Eq. 5 under the method's caps.
"""

import sys
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from scripts.lib.data.tables import PAIRS, write
from scripts.lib.labels.graded import Graded, paired
from scripts.lib.labels.pairs import hold_out
from scripts.lib.labels.settings import Pairing
from scripts.lib.process.cli import cli

METHOD = Pairing()


def main(
    graded: OmitArgPrefixes[Graded],
    output: Path,
    pairing: OmitArgPrefixes[Pairing] = METHOD,
    seed: int = 0,
) -> None:
    """Pair the graded answers and keep the pairs of the queries that are held out; none where there are no
    pairs.

    Args:
        graded: The samples to pair.
        output: The held-out pairs, as ids.
        pairing: Which pairs, and the share of their queries (test_fraction).
        seed: Of the choices under the caps and of the queries.
    """
    pairs, _ = paired(graded, pairing, seed)
    test = hold_out(pairs, pairing.test_fraction, seed)
    write(test, output, PAIRS)
    queries = pairs["query_id"].n_unique()
    print(
        f"{test.height} pairs of {test['query_id'].n_unique()} of {queries} queries are held out",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli(main)
