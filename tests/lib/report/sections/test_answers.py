"""Figure 11: amounts counted from the teacher's answers, relative to the warm-up of Ours."""

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.report.numbers.amounts import amounts
from scripts.lib.report.sections.answers import section
from scripts.lib.report.study import read_study
from tests.support.report_fixture import make_study

ACCURACY = {"sft": 0.6, "wo_r": 0.75, "sft_matched": 0.76, "sft_1": 0.62, "sft_2": 0.7, "ours": 0.9}


def test_a_point_per_warm_up_on_other_amounts(tmp_path):
    study = read_study(make_study(tmp_path, seeds=(0, 1), train=30, test=40, accuracy=ACCURACY))
    counts = []
    for chain in study.chains:
        labels = tables.read(chain.labels[0].labels, tables.LABELS).filter(pl.col("label").is_not_null())
        said = tables.read(chain.labels[0].answers[0], tables.ANSWERS)
        good = said.join(labels, on="query_id").filter(pl.col("answer") == pl.col("label"))
        counts.append(good.group_by("query_id").agg(pl.col("text").n_unique())["text"])
    expected = {
        "SFT, 1 good answer a query": sum(len(each) for each in counts) / 2,
        "SFT, 2 good answers a query": sum(each.clip(upper_bound=2).sum() for each in counts) / 2,
        "Ours w/o R": sum(each.sum() for each in counts) / 2,
    }
    (found,) = amounts(study).values()
    assert {each.name: each.number for each in found} == expected
    assert [each.relative for each in found] == pytest.approx(
        [number / expected["Ours w/o R"] for number in expected.values()]
    )
    (figure,) = section(study).content
    records = figure.panels[0].records
    assert [record["y"] for record in records] == [each.result.accuracy for each in found]
    assert records[-1]["x"] == 1 and records[0]["low"] == found[0].result.low


def test_one_amount_is_no_figure(tmp_path):
    accuracy = {"sft": 0.7, "wo_r": 0.75, "sft_matched": 0.76}
    assert section(read_study(make_study(tmp_path, seeds=(0,), train=9, test=9, accuracy=accuracy))) is None


@pytest.mark.parametrize(
    ("other", "figures"), [({}, 1), ({"m": 5}, 0), ({"by": "golds"}, 0), ({"noise": 0.2}, 0)]
)
def test_teachers_of_one_model_are_amounts_only_where_they_vote_alike(tmp_path, other, figures):
    settings = (("world", "tiny", "tiny"), ("world", "twice", "tiny"))
    accuracy = {"sft": 0.7, "wo_r": 0.75}
    study = read_study(make_study(tmp_path, (0,), 30, 9, settings, accuracy))
    for block in study.config["teachers"].values():
        block["model"] = "tiny"
    study.config["teachers"]["twice"]["vote"] |= other
    assert len(amounts(study)) == figures
