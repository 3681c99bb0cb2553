"""What `make status` reads from a run's log."""

import pytest

from scripts.status import alive, describe, done, read_log

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
    monkeypatch.setattr("scripts.status.queue", lambda jobs: {"41": "RUNNING"})
    run = read_log(LOG.format(log=log))
    assert run.counts == {"label": 1, "train_ppo": 2, "total": 3}
    text = describe(run, True, run.jobs["6"].started + 600, "demo")
    assert "demo: at work; 1 of 3 jobs done, 1 running, 1 waiting, 0 failed" in text
    assert "train_ppo (variant=ours, seed=0), SLURM 41 RUNNING, 10 min, about 50 left" in text
    assert "episode 320 of 2000" in text


def test_a_failed_job_is_told_with_its_last_words(log):
    text = describe(read_log((LOG + FAILED).format(log=log)), False, 0)
    assert "no run at work; 1 of 3 jobs done, 0 running, 1 waiting, 1 failed" in text
    assert f"failed   train_ppo {log}: episode 320 of 2000" in text


def test_a_second_attempt_is_running_again(log):
    again = (LOG + FAILED + LOG.split("\n\n", 1)[1]).format(log=log)
    run = read_log(again)
    assert [job.state for job in run.jobs.values()] == ["running", "done"]


def test_what_is_done_is_counted(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/ledger.json").write_text('{"requested": 480}')
    (tmp_path / "a/metrics.jsonl").write_text('{"episodes": 32}\n{"episodes": 64}\n{"epis')
    assert done(tmp_path) == (480, 64)


def test_no_run_is_at_work_without_its_lock(tmp_path):
    assert not alive(tmp_path / "lock")
    (tmp_path / "lock").touch()
    assert not alive(tmp_path / "lock")
