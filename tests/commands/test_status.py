"""What `make status` reads from a run's log."""

import pytest

from scripts.commands.status import describe, done
from scripts.lib.runs.snakemake_log import Attempt, read_log

LOG = """\
Job stats:
job          count
---------  -------
label            1
train_ppo        2
total            3

[Mon Nov 23 07:54:12 2026]
rule train_ppo:
    input: a
    output: b
    log: {log}
    jobid: 6
    wildcards: variant=ours, seed=0
    resources: tmpdir=<TBD>, gpu=4, runtime=120, expected=3600, tokens=0
Job 6 has been submitted with SLURM jobid 41 (log: x.log).
[Mon Nov 23 07:54:13 2026]
localrule label:
    log: logs/label.log
    jobid: 2
[Mon Nov 23 07:54:56 2026]
Finished jobid: 2 (Rule: label)
1 of 3 steps (33%) done
"""
FAILED = """\
[Mon Nov 23 07:55:10 2026]
Error in rule train_ppo:
    message: None
    jobid: 6
    log: {log} (check log file(s) for error details)
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("start\nepisode 320 of 2000, 4.1/s, 7 min left\n================\n\n")
    return path


def test_a_running_job_is_told_with_the_last_line_of_its_log(log, monkeypatch):
    monkeypatch.setattr("scripts.commands.status.queue", lambda jobs: {"41": "RUNNING"})
    monkeypatch.setattr("scripts.commands.status.seconds", lambda job, now: now - job.started)
    run = read_log(LOG.format(log=log))
    text = describe(run, run.jobs["6"].started + 600, "demo")
    assert "demo: at work; 1 of 3 jobs done, 1 running, 0 failed, 1 waiting for others" in text
    assert "train_ppo (variant=ours, seed=0), SLURM 41 RUNNING, 10 min, about 50 min left" in text
    assert "episode 320 of 2000" in text


def test_a_training_on_fewer_gpus_has_longer_to_go(log, monkeypatch):
    monkeypatch.setattr("scripts.commands.status.queue", lambda jobs: {"41": "RUNNING"})
    monkeypatch.setattr("scripts.commands.status.seconds", lambda job, now: now - job.started)
    run = read_log(LOG.format(log=log))
    run.jobs["6"].resources |= {"gpu": 1, "gpus_wanted": 2}
    assert "10 min, about 1 h 50 min left" in describe(run, run.jobs["6"].started + 600, "demo")


def test_a_job_in_slurm_s_queue_is_not_running(log, monkeypatch):
    monkeypatch.setattr("scripts.commands.status.queue", lambda jobs: {"41": "PENDING (Resources)"})
    text = describe(read_log(LOG.format(log=log)), 0, "demo")
    assert "1 of 3 jobs done, 0 running, 1 in SLURM's queue, 0 failed" in text
    assert "queued   train_ppo (variant=ours, seed=0), SLURM 41 PENDING (Resources)" in text


def test_a_failed_job_is_told_with_its_last_words(log):
    text = describe(read_log((LOG + FAILED).format(log=log)), 0)
    assert "no job at work; 1 of 3 jobs done, 0 running, 1 failed, 1 waiting for others" in text
    assert f"failed   train_ppo {log}: episode 320 of 2000" in text


def test_what_goes_wrong_is_told_while_it_runs(log, monkeypatch):
    monkeypatch.setattr("scripts.commands.status.queue", lambda jobs: {})
    log.write_text("training\nalarm: KL is 30, above 20 (alarms.kl)\niteration 3 of 9\n")
    text = describe(read_log(LOG.format(log=log)), 0)
    assert text.splitlines()[-1] == f"  alarm    train_ppo {log}: KL is 30, above 20 (alarms.kl)"


def test_a_second_attempt_is_running_again(log):
    again = (LOG + FAILED + LOG.split("\n\n", 1)[1]).format(log=log)
    run = read_log(again)
    assert [job.state for job in run.jobs.values()] == ["running", "done"]


def test_what_is_done_is_counted(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/ledger.json").write_text('{"requested": 480}')
    (tmp_path / "results/metrics.jsonl").write_text('{"episodes": 32}\n{"episodes": 64}\n{"epis')
    assert done(tmp_path / "results", tmp_path / "state") == (480, 64)


def test_jobs_at_work_count_too(tmp_path):
    (tmp_path / "state/ppo/key").mkdir(parents=True)
    (tmp_path / "state/ppo/key/metrics.jsonl").write_text('{"episodes": 32}\n')
    (tmp_path / "a.log").write_text(
        "first prompt\ncompletion 120 of 480 in 20 s, 6 per second, about 60 s left, "
        "1500 tokens (75 per second)\n"
    )
    at_work = [
        Attempt("sample_teacher", log=str(tmp_path / "a.log")),
        Attempt("label", log=str(tmp_path / "b.log")),
    ]
    assert done(tmp_path / "results", tmp_path / "state", at_work) == (120, 32)
