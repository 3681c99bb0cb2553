"""What is read from Snakemake's logs."""

import os

import pytest

from scripts.lib.runs import snakemake_log
from scripts.lib.runs.snakemake_log import failures, last_line, read_log, read_runs, seconds

START = """\
[Mon Nov 23 07:{minute}:00 2026]
rule train_ppo:
    output: results/a/checkpoint, results/a/identity.json
    log: logs/train_ppo/a.log
    jobid: {number}
    benchmark: benchmarks/train_ppo/a.tsv
    wildcards: variant=ours, seed={number}
    resources: tmpdir=<TBD>, mem=3 GB, gpu=4, runtime=120, expected=3600, at_most=7200
Job {number} has been submitted with SLURM jobid 4{number} (log: logs/slurm/4{number}.log).
"""
FAILURE = """\
[Mon Nov 23 07:{minute}:00 2026]
Error in rule train_ppo:
    message: SLURM-job '4{number}' failed, SLURM status is: 'TIMEOUT'.
    jobid: {number}
    log: logs/train_ppo/a.log, logs/slurm/4{number}.log (check log file(s) for error details)
    external_jobid: 4{number}
Logfile logs/train_ppo/a.log:
==============================
iteration=3 reward=0.1
==============================
Logfile logs/slurm/4{number}.log:
==============================
SNAKEMAKE
=========
[Mon Nov 23 01:00:00 2026]
localrule train_ppo:
    jobid: 0
    wildcards: variant=another, seed=9
Finished jobid: 0 (Rule: train_ppo)
==============================
Trying to restart job {number}.
"""
HELD = "SLURM job 4{number} held 615 s: time limit, goes on\n"
FINISH = "[Mon Nov 23 07:{minute}:00 2026]\nFinished jobid: {number} (Rule: train_ppo)\n"
COUNTS = "Job stats:\njob          count\n---------  -------\ntrain_ppo        2\ntotal            2\n\n"


GROUP = """\
[Mon Nov 23 07:10:00 2026] Group job labels (jobs in lexicogr. order):

    [Mon Nov 23 07:10:00 2026]
    rule label:
        output: results/a/labels.parquet
        log: {folder}/label.log
        jobid: 5
        resources: tmpdir=<TBD>, runtime=15, expected=60
    [Mon Nov 23 07:10:00 2026]
    rule read_teacher_answers:
        output: results/a/answers.parquet
        log: {folder}/read.log
        jobid: 6
        resources: tmpdir=<TBD>, runtime=15, expected=30
Auto-selected partition 'cpu' for job labels with score 0.000
Group 0f-9a holds jobs 6, 5.
Job 0f-9a has been submitted with SLURM jobid 48 (log: {folder}/48.log).
"""
GROUP_FAILURE = """\
[Mon Nov 23 07:12:00 2026]
    message: Error in group labels
    log: {folder}/48.log (check log file(s) for error details)
    jobs:
        rule label:
            jobid: 5
            output: results/a/labels.parquet
        rule read_teacher_answers:
            jobid: 6
Logfile {folder}/48.log:
==============================
localrule read_teacher_answers:
    jobid: 2
Error in rule label:
    jobid: 3
==============================
"""


def text(*parts: tuple) -> str:
    return COUNTS + "".join(part.format(minute=minute, number=number) for part, minute, number in parts)


def test_every_attempt_is_told():
    run = read_log(text((START, "10", 1), (FAILURE, "20", 1), (START, "21", 1), (FINISH, "40", 1)))
    assert [each.state for each in run.attempts] == ["failed", "done"]
    assert [each.ended - each.started for each in run.attempts] == [600, 19 * 60]
    assert run.jobs["1"] is run.attempts[1] and run.counts == {"train_ppo": 2, "total": 2}
    assert run.attempts[0].job == ("train_ppo", "seed=1", "variant=ours")


def test_what_a_job_asked_for():
    [attempt] = read_log(text((START, "10", 3))).attempts
    assert attempt.resources == {"gpu": 4, "runtime": 120, "expected": 3600, "at_most": 7200}
    assert (attempt.benchmark, attempt.slurm) == ("benchmarks/train_ppo/a.tsv", "43")
    assert attempt.output == "results/a/checkpoint, results/a/identity.json"


def test_the_logs_of_failed_jobs_are_not_the_run_s():
    run = read_log(text((START, "10", 0), (FAILURE, "20", 0)))
    assert [(each.state, each.wildcards) for each in run.attempts] == [("failed", "variant=ours, seed=0")]


def test_what_slurm_held_and_why_it_ended_is_read_back():
    [attempt] = read_log(text((START, "10", 1), (HELD, "20", 1), (FAILURE, "20", 1))).attempts
    assert (attempt.held, attempt.why, attempt.state) == (615, "time limit, goes on", "failed")
    assert seconds(attempt, now=0) == 615


USED = "used 10.0 processor seconds, 99 MB at most"
REFUSED = """\
[Mon Nov 23 07:{minute}:00 2026]
Error in rule train_ppo:
    message: SLURM sbatch failed. The error message was 'sbatch: error: Invalid qos'.
    sbatch call:
        sbatch --parsable
    jobid: {number}
"""
SHELL = """\
rule train_ppo:
    resources: mem_mb=3000
srun: cluster configuration lacks support for cpu binding
[Mon Nov 23 07:20:00 2026]
localrule train_ppo:
    resources: mem_mb=3000, gpu=0
{}RuleException:
CalledProcessError in file "rules/train.smk", line 31:
[Mon Nov 23 07:20:02 2026]
Error in rule train_ppo:
WorkflowError:
srun: error: cpu1: task 0: Exited with exit code 1
[Mon Nov 23 07:20:04 2026]
Error in rule train_ppo:
WorkflowError:
"""


@pytest.mark.parametrize(
    ("ending", "step", "slurm", "said"),
    [
        (FAILURE, (1, "update 20: loss=0.1"), "", "update 20: loss=0.1"),
        (FAILURE, (-1, USED), "", "SLURM-job '41' failed, SLURM status is: 'TIMEOUT'"),
        (FAILURE, (1, USED), "MissingOutputException: a", "MissingOutputException: a"),
        (
            FAILURE,
            None,
            "srun: error: x\nCleaning\nslurmstepd: error: no folder\nend",
            "slurmstepd: error: no",
        ),
        (
            FAILURE,
            None,
            SHELL.format('Lmod: unknown:\n"cuda/9"\n\nTry this:\n $ module\n\n\n'),
            'Lmod: unknown: "cuda/9"\n',
        ),
        (
            FAILURE,
            None,
            SHELL.format("site.sh: line 2: module: command not found\n"),
            "site.sh: line 2: module",
        ),
        (FAILURE, None, SHELL.format(""), "srun: error: cpu1: task 0: Exited"),
        (REFUSED, (-1, "error: an older one"), "", "SLURM sbatch failed. The error message was 'sbatch: err"),
    ],
)
def test_the_attempt_that_failed_is_quoted(tmp_path, monkeypatch, ending, step, slurm, said):
    monkeypatch.chdir(tmp_path)
    run = read_log(text((START, "10", 1), (ending, "20", 1)))
    for path in ("logs/train_ppo/a.log", "logs/slurm/41.log"):
        (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / "logs/slurm/41.log").write_text(slurm)
    if step:
        (tmp_path / "logs/train_ppo/a.log").write_text(step[1])
        os.utime(tmp_path / "logs/train_ppo/a.log", (run.attempts[0].started + step[0],) * 2)
    [line] = snakemake_log.failures(run)
    assert f"{line}\n".startswith(f"train_ppo logs/train_ppo/a.log: {said}")


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snakemake_log.LOGS.mkdir(parents=True)
    for name, content in (
        ("2026-1", text((START, "10", 1))),
        ("2026-2", text((START, "20", 3), (START, "21", 2))),
    ):
        file = snakemake_log.LOGS / f"{name}.snakemake.log"
        file.write_text(content)
        killed = read_log(content).attempts[0].started + 300
        os.utime(file, (killed, killed))


@pytest.mark.parametrize(("working", "last"), [(True, "running"), (False, "lost")])
def test_what_a_killed_run_left_is_lost(logs, working, last):
    first, second = read_runs(working)
    assert [each.state for each in first.attempts] == ["lost"]
    assert {each.state for each in second.attempts} == {last}
    assert seconds(first.attempts[0], now=0) == 300


def test_a_job_that_the_next_run_went_on_with_is_the_next_run_s(logs):
    """Its hours count once."""
    (snakemake_log.LOGS / "2026-2.snakemake.log").write_text(text((START, "20", 1), (FINISH, "40", 1)))
    first, second = read_runs(working=False)
    assert [[each.state for each in run.attempts] for run in (first, second)] == [[], ["done"]]


def test_the_last_words_of_a_log_leave_the_terminal_alone(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"begun\nerror: x: \x1b[31mRED\x1b]0;owned\x07 \xe2\x80\xae\n====\n")
    assert last_line(str(log)) == "error: x: \\x1b[31mRED\\x1b]0;owned\\x07 \\u202e"


def test_waiting_in_slurm_is_not_running(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [attempt] = read_log(text((START, "10", 1))).attempts
    assert seconds(attempt, now=attempt.started + 900) == 0
    log = tmp_path / "logs/slurm/41.log"
    log.parent.mkdir(parents=True)
    log.write_text("Building DAG of jobs...\n[Mon Nov 23 07:20:00 2026]\nrule train_ppo:\n")
    assert seconds(attempt, now=attempt.started + 900) == 300
    attempt.state, attempt.ended = "failed", attempt.started + 700
    assert seconds(attempt, now=0) == 100


def test_jobs_that_went_to_slurm_together_are_jobs_like_others(tmp_path):
    run = read_log(
        GROUP.format(folder=tmp_path) + "[Mon Nov 23 07:12:00 2026]\nFinished jobid: 6 (Rule: read)\n"
    )
    told = [(each.rule, each.state, each.slurm, each.resources["expected"]) for each in run.attempts]
    assert told == [("label", "running", "48", 60), ("read_teacher_answers", "done", "48", 30)]


def test_of_a_group_that_failed_the_job_at_fault_is_told(tmp_path):
    words = {"label": "error: no", "read": "read 8 answers"}
    for name, said in words.items():
        (tmp_path / f"{name}.log").write_text(said)
    (tmp_path / "48.log").write_text("Error in rule label:\n    jobid: 3\n")
    run = read_log((GROUP + GROUP_FAILURE).format(folder=tmp_path))
    assert [each.state for each in run.attempts] == ["failed", "failed"]
    assert failures(run) == [f"label {tmp_path}/label.log: error: no"]
