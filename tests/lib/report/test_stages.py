"""Funnel, votes, logs and costs on a few rows."""

import json

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.report import load, sections, stages
from scripts.lib.report.method import PPO_PANELS
from scripts.lib.training.ppo.reward import reward_parts

KIND = {"possible": 10, "identical": 2, "repeated": 3, "capped": 1, "thinned": 0, "kept": 4}
FUNNEL = {
    "queries": 20, "reasons": {"ok": 12, "tie": 8}, "labelled": 12, "sampled": 11, "all_right": 5, "all_wrong": 1,
    "kept": 5, "pairs": {"teacher_student": KIND, "student_student": KIND, "total": 8},
    "split": {"train": {"pairs": 7}, "validation": {"pairs": 1}},
}  # fmt: skip


def test_the_funnel_loses_nothing():
    queries, labelled, possible, pairs = stages.funnel(FUNNEL)
    assert (queries.total, labelled.total, possible.total, pairs.total) == (20, 12, 20, 8)
    assert [(part.name, part.number) for part in labelled.parts] == [
        ("both right and wrong", 5), ("all right", 5), ("all wrong", 1), ("not sampled", 1),
    ]  # fmt: skip
    assert pairs.remark == "7 train, 1 validation"


def test_the_funnel_of_a_judged_data_set_and_of_an_outcome_reward_model():
    assert [part.name for part in stages.funnel(FUNNEL, judged=True)[1].parts][:2] == [
        "scores differ", "all of the best score",
    ]  # fmt: skip
    stage = stages.funnel(FUNNEL | {"pairs": {"teacher_teacher": KIND, "total": 4}})[-1]
    assert [(part.name, part.number) for part in stage.parts] == [("teacher's right over its wrong", 4)]


def test_votes_against_golds(tmp_path):
    rows = []
    for query_id, answers in {"a": "7 7 7 8", "b": "5 5 6 6", "c": "1 2 2 2"}.items():
        for sample_id, answer in enumerate(answers.split()):
            rows.append((query_id, sample_id, f"The answer is {answer}.", "stop", 5, 1.0, 1))
    path = tmp_path / "samples.parquet"
    tables.write(pl.DataFrame(rows, schema=tables.SAMPLES, orient="row"), path, tables.SAMPLES)
    golds = pl.DataFrame({"query_id": ["a", "b", "c"], "answer": ["7.0", "5", "1"]})
    voted = stages.pluralities([path], golds, "numeric", 4)
    assert voted.rows() == [(0.75, "ok", True), (0.5, "tie", False), (0.75, "ok", False)]
    labels = pl.DataFrame({"query_id": ["a", "b", "c"], "label": ["7", None, "2"]})
    # Of a, three 7 are called right and are, the 8 is called wrong and is; of c, three 2 are not, and the 1 would be.
    found = stages.verdicts([path], labels, golds, "numeric", 4)
    assert found == {True: (3, 6), False: (1, 2)}
    assert stages.calibration(voted) == [(0.75, pytest.approx(2 / 3), 0.5)]
    assert stages.share_bars(voted) == [(0.5, 0, 1), (0.7, 1, 1)]


def test_series_average_seeds_where_all_have_a_value():
    logs = [
        ("ours", 0, [{"iteration": 1, "kl": 1.0}, {"iteration": 2, "kl": 2.0}, {"iteration": 3, "kl": None}]),
        ("ours", 1, [{"iteration": 1, "kl": 3.0}]),
        ("rlvr", 0, [{"iteration": 1}]),
    ]
    (series,) = stages.seed_series(logs, "kl", "iteration", variants=True)
    assert (series.name, series.css, list(series.points)) == ("Ours", "v-ours", [(1, 2.0)])
    assert series.faint == [[(1, 1.0), (2, 2.0)], [(1, 3.0)]]


def test_costs_add_up_over_jobs(tmp_path):
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    (tmp_path / "a.tsv").write_text(head + "2.5\t0:00:02\t100\t2.0\n")
    (tmp_path / "b.tsv").write_text(head + "1.5\t0:00:01\t-\tNA\n")
    (tmp_path / "b.json").write_text(json.dumps({"sampled": 5, "reused": 2, "engine": "vllm", "model": "m"}))
    steps = [
        {"rule": "sample", "benchmark": str(tmp_path / "a.tsv")},
        {"rule": "sample", "benchmark": str(tmp_path / "b.tsv"), "ledger": str(tmp_path / "b.json")},
        {"rule": "gone", "benchmark": str(tmp_path / "no.tsv")},
    ]
    (cost,) = stages.costs(steps)
    expected = {
        "rule": "sample",
        "jobs": 2,
        "seconds": 4.0,
        "cpu": 2.0,
        "memory": 100.0,
        "sampled": 5,
        "reused": 2,
    }
    assert cost == expected
    assert stages.engines(steps) == [("vllm", "", 1)]


def test_what_steps_say_they_used_goes_before_what_snakemake_saw(tmp_path):
    (tmp_path / "a.tsv").write_text("s\th:m:s\tmax_rss\tcpu_time\n41.2\t0:00:41\t10\t15.1\n")
    (tmp_path / "a.log").write_text(
        "sampled\nused 38.2 processor seconds, 491 MB at most\nused 0.5 processor seconds, 60 MB at most\n"
    )
    step = {"rule": "sample", "benchmark": str(tmp_path / "a.tsv"), "log": str(tmp_path / "a.log")}
    (cost,) = stages.costs([step])
    assert (cost["seconds"], cost["cpu"], cost["memory"]) == (41.2, 38.7, 491.0)


def test_what_apis_cost_adds_up_a_model(tmp_path):
    ledger = {
        "engine": "openai",
        "model": "openai:https://a/v1#big",
        "requests": 3,
        "retries": 1,
        "dollars": 0.5,
    }
    ledger |= {"prompt_tokens": 7, "completion_tokens": 9, "total_dollars": 2.0}
    (tmp_path / "a.json").write_text(json.dumps(ledger | {"failures": {"429": 1}}))
    (tmp_path / "b.json").write_text(json.dumps(ledger | {"failures": {"429": 1, "timeout": 2}}))
    (tmp_path / "c.json").write_text(json.dumps({"engine": "vllm", "model": "m"}))
    (cost,) = stages.servers([{"rule": "sample", "ledger": str(tmp_path / f"{name}.json")} for name in "abc"])
    assert (cost["requests"], cost["retries"], cost["dollars"], cost["total_dollars"]) == (6, 2, 1.0, 4.0)
    assert cost["failures"] == {"429": 2, "timeout": 2} and cost["completion_tokens"] == 18
    (row,) = [[cell.text for cell in sections._server_row(cost)]]
    assert row == ["https://a/v1#big", "6", "2", "14", "18", "$1.00", "$4.00", "429 × 2, timeout × 2"]


def test_a_log_cut_off_by_a_kill_is_read_to_there(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    records = load.log(tmp_path / "metrics.jsonl")
    assert load.curve(records, "loss", "step") == [(1.0, 2.0)]
    assert load.curve([{"step": 1, "loss": float("nan")}], "loss", "step") == []


def test_the_panels_show_what_ppo_logs():
    logged = set(reward_parts([1.0], ["7"], ["7"], [1.0])) | {
        "kl",
        "validation_accuracy",
        "validation_reward",
    }
    assert {field for field, _, _ in PPO_PANELS} <= logged
