"""What labels in use are worth, beside what votes are worth."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.report.numbers.votes import share_bars
from scripts.lib.report.sections.votes import _figure, section
from scripts.lib.report.study import Labels, Study, read_study
from tests.support.report_fixture import VOTE, make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return read_study(make_study(tmp_path_factory.mktemp("votes"), seeds=(0,), train=40, test=10))


def labelled(study: Study, folder: Path, right: int, wrong: int, **vote) -> tuple[Study, Labels]:
    """The study with one teacher's labels, of 40 queries so many right and so many wrong."""
    (chain,) = study.chains
    golds = tables.read(chain.golds, tables.GOLDS).with_row_index("place")
    none, place = pl.lit(None, dtype=pl.String()), pl.col("place")
    label = (
        pl.when(place < right).then("answer").when(place < right + wrong).then(pl.lit("999")).otherwise(none)
    )
    own = tables.read(chain.labels[0].labels, tables.LABELS).join(
        golds.with_columns(new=label), on="query_id"
    )
    table, path = own.with_columns(label="new").select(tables.LABELS.keys()), folder / "labels.parquet"
    tables.write(table, path, tables.LABELS)
    labels = replace(chain.labels[0], vote=replace(VOTE, **vote), labels=path)
    return Study(**vars(study) | {"chains": [replace(chain, labels=[labels])]}), labels


@pytest.mark.parametrize(
    ("vote", "threshold"),
    [
        ({}, ("0.7", "of 10 votes")),
        ({"by": "golds"}, ("–", "reference answers")),
        ({"noise": 0.25}, ("0.7", "of 10 votes, 25 % replaced")),
        ({"by": "golds", "noise": 0.25}, ("–", "reference answers, 25 % replaced")),
    ],
)
def test_the_labels_in_use_are_counted_and_said_to_be_what_they_are(study, tmp_path, vote, threshold):
    made, _ = labelled(study, tmp_path, 24, 8, **vote)
    (row,) = section(made).content[1].groups[0].rows
    assert (row[2].text, row[2].detail) == threshold
    assert [cell.text for cell in (row[3], row[4], row[6])] == ["80.0", "75.0", "40"]
    assert (row[5].text == "–") == bool(vote)


def test_a_threshold_is_drawn_where_it_gives_the_labels(study, tmp_path):
    for vote in ({}, {"by": "golds"}, {"noise": 0.25}):
        made, labels = labelled(study, tmp_path, 24, 8, **vote)
        figure = section(made).content[0]
        drawn = "".join(panel.drawing for panel in figure.panels)
        assert ('class="ring"' in drawn, "kept →" in drawn, "the ring" in figure.caption) == (not vote,) * 3
        assert (f"Of {labels.teacher} these are the votes alone" in figure.caption) == bool(vote)


def test_thirds_are_drawn_and_written_as_thirds(study):
    voted = pl.DataFrame(
        {"share": [1 / 3, 2 / 3, 2 / 3, 1.0], "reason": "ok", "right": [False, True, False, True]}
    )
    assert share_bars(voted) == [(1 / 3, 0, 1), (2 / 3, 1, 1), (1.0, 1, 0)]
    labels = replace(study.chains[0].labels[0], vote=replace(VOTE, m=3))
    _, reliability, bars = _figure("here", [(labels, voted)]).panels
    assert [record["x"] for record in reliability.records] == [1 / 3, 2 / 3, 1.0]
    assert [record["vote_share"] for record in bars.records] == [1 / 3, 2 / 3, 1.0]
    assert ">.33<" in bars.drawing and ">.67<" in bars.drawing
