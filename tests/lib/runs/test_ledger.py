"""Planned against spent."""

import json

import pytest

from scripts.lib.runs.ledger import by_rule, figures, makings, paid, summary, table
from scripts.lib.runs.snakemake_log import Attempt, SnakemakeRun

PLAN = {"gpu": 4, "expected": 1800, "at_most": 7200, "tokens": 5000, "cents": 250, "disk_mb": 2}


def attempt(state="done", minutes=30, job="a", rule="sample_teacher", **resources):
    return Attempt(
        rule,
        state,
        started=0,
        ended=60 * minutes,
        output=f"{job}/samples.parquet, {job}/ledger.json",
        benchmark=f"{job}.tsv",
        wildcards=f"teacher={job}",
        resources=PLAN | resources,
    )


@pytest.fixture(autouse=True)
def measured(tmp_path, monkeypatch):
    """Job a's last attempt took 10 minutes, its samples hold 900 tokens and cost $1.50."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a.tsv").write_text("s\th:m:s\n600.0\t0:10:00\n")
    (tmp_path / "a/samples.parquet").write_bytes(b"x" * 1000)
    ledger = {"completion_tokens": 300, "total_completion_tokens": 900, "total_dollars": 1.5}
    (tmp_path / "a/ledger.json").write_text(json.dumps(ledger))


def test_lost_attempts_are_spent_and_planned_once():
    """Killed in one run after half an hour, failed in the next after one, then done: one job, 1 h 40 min."""
    runs = [
        SnakemakeRun([attempt("lost", 30)]),
        SnakemakeRun([attempt("failed", 60, at_most=14400), attempt("done", 99)]),
    ]
    [making] = makings(runs)
    told = figures(making, now=0)
    assert (told["lost"], told["lost_hours"]) == (2, 1.5)
    assert told["hours"] == pytest.approx(1.5 + 10 / 60) and told["GPU-hours"] == pytest.approx(
        4 * told["hours"]
    )
    assert (told["most_hours"], told["expected_hours"], told["most_gpu_hours"]) == (2, 0.5, 8)
    assert (told["tokens"], told["most_tokens"]) == (900, 5000)
    assert (told["dollars"], told["most_dollars"]) == (1.5, 2.5)
    assert told["GB"] == pytest.approx(1e-6, rel=0.2) and told["most_gb"] == 0.002


def test_a_training_on_fewer_gpus_was_planned_for_as_much_longer():
    [making] = makings([SnakemakeRun([attempt(rule="train_sft", gpu=1, gpus_wanted=4)])])
    told = figures(making, now=0)
    assert (told["expected_hours"], told["most_hours"], told["most_gpu_hours"]) == (2, 8, 8)


def test_a_job_that_is_made_again_counts_as_last_made():
    [making] = makings(
        [SnakemakeRun([attempt("failed"), attempt("done")]), SnakemakeRun([attempt("done", gpu=1)])]
    )
    assert len(making.attempts) == 1
    assert figures(making, now=0)["most_gpu_hours"] == 2


def test_a_job_at_work_has_spent_what_it_has_spent():
    [making] = makings([SnakemakeRun([attempt("running")])])
    told = figures(making, now=3600)
    assert (told["hours"], told["lost"]) == (1, 0)


def test_tokens_count_once_where_shards_were_put_together():
    [making] = makings([SnakemakeRun([attempt(tokens=0, cents=0)])])
    told = figures(making, now=0)
    assert (told["tokens"], told["dollars"]) == (0, 0)


@pytest.mark.parametrize(
    ("attempts", "again", "dollars"),
    [
        ([attempt(), attempt("failed", job="b")], (), 1.5 + 2.5),
        ([attempt(), attempt("failed", job="b")], ("a", "b"), 1.5),
        ([attempt("failed"), attempt()], (), 1.5),
        ([attempt(job="b")], (), 2.5),
        ([attempt(cents=0)], (), 0),
    ],
    ids=["one without a ledger", "made again", "twice", "no ledger", "shards put together"],
)
def test_dollars_count_over_calls(attempts, again, dollars):
    """By their ledger, else as planned at most, but for what is planned again with all that is stored."""
    runs = [SnakemakeRun([each]) for each in attempts]
    assert paid(runs, {("sample_teacher", f"teacher={job}") for job in again}) == dollars


def test_rules_add_up_to_a_total():
    made = makings(
        [SnakemakeRun([attempt(job="a"), attempt(job="b"), attempt(job="c", rule="train_ppo", tokens=0)])]
    )
    lines = by_rule((each.last.rule, figures(each, 0)) for each in made)
    assert [(line["rule"], line["jobs"], line["most_tokens"]) for line in lines] == [
        ("sample_teacher", 2, 10_000),
        ("train_ppo", 1, 0),
        ("total", 3, 10_000),
    ]


def test_the_ledger_as_text():
    made = makings([SnakemakeRun([attempt("failed", 60), attempt()])])
    head, line, total, *_ = table(made, now=0).splitlines()
    assert head.split() == ["rule", "jobs", "lost", "hours", "GPU-hours", "tokens", "dollars", "GB"]
    assert "1 (1.000 h)  1.167 / 0.500 / 2.000  4.667 / 2.000 / 8.000  900 / 5,000  1.500 / 2.500" in line
    assert total.startswith("total")
    assert "1 jobs, spent / expected / planned at most: hours 1.167 / 0.500 / 2.000" in summary(made, now=0)


def test_without_a_job_there_is_no_ledger():
    assert table([], now=0) == summary([], now=0) == ""


def test_columns_without_a_plan_are_left_out():
    made = makings([SnakemakeRun([attempt(gpu=0, tokens=0, cents=0)])])
    assert table(made, now=0).splitlines()[0].split() == ["rule", "jobs", "lost", "hours", "GB"]
