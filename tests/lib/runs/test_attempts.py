"""Why attempts ended, what that is worth, and what the next call knows of it."""

import math

import pytest

from scripts.lib.errors import UserError
from scripts.lib.runs import attempts
from scripts.lib.runs.attempts import Ended, Past, earlier, note, why
from scripts.lib.runs.slurm import Node, Partition
from scripts.lib.runs.snakemake_log import read_log
from tests.lib.runs.test_snakemake_log import FAILURE, FINISH, START, text

HOUR = Ended("FAILED", 3500, 3600, "h100")
EARLY = Ended("FAILED", 30, 3600, "h100")
DONE = "training from iteration 0\niteration 3 of 8 in 40 s, 0.1 per second, about 2 min left\n"
NOTHING = "iteration 0 of 8 (evaluate for 20 s)\n"


@pytest.mark.parametrize(
    ("how", "slurm_log", "log", "reason"),
    [
        (HOUR, "", DONE, "time limit, goes on"),
        (Ended("TIMEOUT", 3700, 3600, "h100"), "", NOTHING, "time limit before anything was done"),
        (EARLY, "", DONE, "an error"),
        (Ended("CANCELLED", 30, math.inf, "h100"), "", DONE, "an error"),
        (Ended("OUT_OF_MEMORY", 3500, 3600, "h100"), "", DONE, "out of memory"),
        (EARLY, "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", DONE, "out of memory"),
        (EARLY, "slurmstepd: error: Job 7 exceeded memory limit (9 > 8), being killed", "", "out of memory"),
        (EARLY, "(command exited with non-zero exit code 137)", DONE, "out of memory"),
        (HOUR, "StepId=7.batch exceeded memory limit (9 > 8), being killed", DONE, "out of memory"),
        (Ended("TIMEOUT", 3700, 3600, "h100"), "exit code 137", DONE, "time limit, goes on"),
        (None, "", DONE, "an error"),
    ],
)
def test_why_an_attempt_ended(how, slurm_log, log, reason) -> None:
    assert why(how, slurm_log, log) == reason


SACCT = """\
2026-11-02T08:00:00|3600|train_ppo/seed=0
2026-11-02T10:00:00|1800|train_ppo/seed=0
2026-11-02T09:30:00|0|train_ppo/seed=0
2026-11-02T12:00:00|300|train_ppo/seed=0
"""
OLD = "2019-01-01T00:00:00|7777|another_user\n"
"""A job of years ago, before the site's numbers began anew."""


@pytest.mark.parametrize(
    ("accounts", "before"),
    [(SACCT, 5400), (OLD + SACCT, 5400), (SACCT.splitlines()[0], 0), ("", 0), (None, 0)],
)
def test_all_starts_of_a_requeued_job_are_counted(monkeypatch, accounts, before) -> None:
    """As sacct --duplicates of a job says that was preempted twice, and once before it started."""

    def ask(command: str, *flags: str) -> str:
        if command == "squeue":
            return "COMPLETED|5:00|1:00:00|h100 "
        assert "--duplicates" in flags and flags[-2:] == ("--jobs", "7")
        if accounts is None:
            raise UserError("sacct: SLURM says 'Slurm accounting storage is disabled'")
        return accounts

    monkeypatch.setattr(attempts.slurm, "ask", ask)
    how = attempts.ended("7")
    assert how == Ended("COMPLETED", 300, 3600, "h100", before)
    past = Past()
    note(past, "an error", how, 4000, 0)
    assert past.held == how.all_held == before + 300


def test_a_time_limit_with_progress_is_no_failure() -> None:
    past = Past()
    assert note(past, "time limit, goes on", HOUR, 4000, 9 * 3600) == "time limit, goes on"
    assert past == Past(held=3500, gone_on=1)
    note(past, "time limit before anything was done", HOUR, 4000, 9 * 3600)
    assert past == Past(held=7000, gone_on=1, limits=1)


def test_memory_ends_at_the_node_s(monkeypatch) -> None:
    nodes = (Node("a", 8, 5000, {}), Node("b", 8, 9000, {}))
    monkeypatch.setattr(
        attempts.slurm, "partitions", lambda: {"h100": Partition("h100", 60, nodes, mem_mb=7000)}
    )
    past = Past()
    assert note(past, "out of memory", EARLY, 6000, 0) == "out of memory of 6000 MB; a node has 7000 MB"
    assert past == Past(held=30, memory=1, node_mb=7000)
    note(past, "out of memory", EARLY, 7000, 0)
    assert past.over


def test_nothing_is_started_beyond_what_was_planned_at_most() -> None:
    past = Past(held=3600)
    said = note(past, "time limit, goes on", HOUR, 4000, 7200)
    assert past.over and said.startswith(
        "time limit, goes on; its attempts have held 1 h 58 min of the 2 h pl"
    )


HELD = "SLURM job 4{number} held 615 s: out of memory of 4000 MB; a node has 9000 MB\n"


def test_the_next_call_knows_what_befell_a_job_that_is_not_done() -> None:
    failed = text((START, "10", 1), (HELD, "20", 1), (FAILURE, "20", 1), (START, "21", 1))
    [(key, past)] = earlier([read_log(failed), read_log(failed)]).items()
    assert key == ("train_ppo", "seed=1", "variant=ours")
    assert past == Past(held=1230, memory=2, node_mb=9000)
    assert earlier([read_log(failed + text((FINISH, "40", 1)))]) == {}
