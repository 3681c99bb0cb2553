"""The progress line: done, rate, time left, and what is being done."""

import time

from scripts.lib.process import progress
from scripts.lib.process.progress import Progress, duration


def test_lines_come_while_the_main_thread_works(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0.05)
    with Progress("iteration", 8, 2) as told:
        with told.phase("rollout"):
            time.sleep(0.3)
        told.done = 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "iteration 2 of 8 (rollout for 0 s)"
    assert len(lines) > 2
    assert lines[-1].startswith("iteration 4 of 8, ") and " a second, about " in lines[-1]
    assert "rollout" not in lines[-1]


def test_the_rate_counts_this_run_only(monkeypatch):
    told = Progress("update", 1100, 100)
    told.done, told._began = 600, time.monotonic() - 100
    assert told.line() == "update 600 of 1100, 5 a second, about 100 s left"


def test_only_one_process_talks(capsys):
    with Progress("update", 2, silent=True) as told:
        told.done = 2
    assert capsys.readouterr().out == ""


def test_durations_read_well():
    assert [duration(seconds) for seconds in (59, 600, 7300)] == ["59 s", "10 min", "2.0 h"]
