"""Votes against golds on three queries."""

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.labels.settings import Vote
from scripts.lib.report.numbers.votes import ballots, calibration, pluralities, share_bars, verdicts
from scripts.lib.report.study import Labels


def test_votes_against_golds(tmp_path):
    rows = []
    for query_id, answers in {"a": "7 7 7 8", "b": "5 5 6 6", "c": "1 2 2 2"}.items():
        for sample_id, answer in enumerate(answers.split()):
            rows.append((query_id, sample_id, answer, "ok", "stop", 1.0, 1, 0))
    path = tmp_path / "answers.parquet"
    tables.write(pl.DataFrame(rows, schema=tables.ANSWERS, orient="row"), path, tables.ANSWERS)
    golds = pl.DataFrame({"query_id": ["a", "b", "c"], "answer": ["7.0", "5", "1"]})
    chain_labels = Labels("t", Vote(m=4), tmp_path / "labels.parquet", [path])
    said = ballots(chain_labels)
    voted = pluralities(said, golds, "numeric", 4)
    assert voted.rows() == [(0.75, "ok", True), (0.5, "tie", False), (0.75, "ok", False)]
    labels = pl.DataFrame({"query_id": ["a", "b", "c"], "label": ["7", None, "2"]})
    # Of a, three 7 are called right and are, the 8 is called wrong and is; of c, three 2 are not.
    found = verdicts(said, labels, golds, "numeric")
    assert found == {True: (3, 6), False: (1, 2)}
    assert calibration(voted) == [(0.75, pytest.approx(2 / 3), 0.5)]
    assert share_bars(voted) == [(0.5, 0, 1), (0.75, 1, 1)]


def test_a_bar_is_as_far_as_the_shares_it_holds():
    voted = pl.DataFrame({"share": [0.0, 0.6, 0.65, 0.65, 0.7], "right": [False, True, True, False, True]})
    assert share_bars(voted) == [(pytest.approx(1.9 / 3), 2, 1), (0.7, 1, 0)]
