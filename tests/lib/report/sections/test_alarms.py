"""What rang stands at the top of the page; where nothing did, there is no such section."""

import json
from types import SimpleNamespace

import polars as pl

from scripts.lib.data import tables
from scripts.lib.report.sections.alarms import section


def study(folder, with_label: int, high: float, kl: float, alarms: dict | None = None):
    labels = pl.DataFrame({"query_id": list("abcdefghij")}).with_columns(
        label=pl.when(pl.int_range(pl.len()) < with_label).then(pl.lit("7")),
        share=1.0,
        votes=10,
        m=10,
        reason=pl.lit("ok"),
    )
    tables.write(labels, folder / "labels.parquet", tables.LABELS)
    pairs = {"preference": {"value": 0.3, "n": 40, "low": 0.1, "high": high}}
    (folder / "table9.json").write_text(json.dumps(pairs))
    rows = [{"iteration": k, "episodes": 500 * k, "reward": 0.0, "kl": kl} for k in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chain = SimpleNamespace(
        name="world, small",
        seed=7,
        labels=[SimpleNamespace(teacher="tiny", labels=folder / "labels.parquet")],
        rewards=[
            SimpleNamespace(reward="pairs only", table9=None),
            SimpleNamespace(reward="ours", table9=folder / "table9.json"),
        ],
        trainings=[
            SimpleNamespace(variant="wo_r", method="sft", log=folder / "none.jsonl"),
            SimpleNamespace(variant="ours", method="ppo", log=folder / "metrics.jsonl"),
        ],
    )
    return SimpleNamespace(chains=[chain], config={"alarms": alarms or {}})


def test_each_alarm_is_a_row_by_the_thresholds_of_the_config(tmp_path):
    made = section(study(tmp_path, with_label=1, high=0.4, kl=30.0))
    (table,) = made.content
    shown = [[cell.text for cell in row] for row in table.groups[0].rows]
    assert [(of, seed, key) for of, seed, _, key in shown] == [
        ("labels of tiny", "7", "alarms.labelled"),
        ("reward model ours", "7", "alarms.reward_accuracy"),
        ("Ours", "7", "alarms.kl"),
    ]
    assert shown[2][2] == (
        "KL to the starting student, nats a response, is 30 over 1000 episodes to iteration 2, above 20"
    )
    others = {"labelled": None, "reward_accuracy": None, "kl": 40.0}
    assert section(study(tmp_path, 1, 0.4, 30.0, others)) is None


def test_where_nothing_rang_there_is_no_section(tmp_path):
    assert section(study(tmp_path, with_label=5, high=0.6, kl=1.0)) is None
