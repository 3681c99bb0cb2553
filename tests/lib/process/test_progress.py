"""The progress line: done, rate, time left, and what is being done."""

import re
import time

from scripts.lib.process import progress
from scripts.lib.process.progress import Progress, duration
from tests.support.steps import until


def test_lines_come_while_the_main_thread_works(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0.05)
    lines = []
    with Progress("iteration", 8, 2) as told:
        with told.phase("rollout"):
            until(lambda: lines.extend(capsys.readouterr().err.splitlines()) or len(lines) > 2)
        told.done = 4
    lines += capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"iteration 2 of 8 \(rollout for [\d.]+ s\)", lines[1]), "one may come before it"
    assert lines[-1].startswith("iteration 4 of 8 in ") and " per second, about " in lines[-1]
    assert "rollout" not in lines[-1]


def test_the_rate_counts_this_run_only(monkeypatch):
    told = Progress("update", 1100, 100)
    told.done, told._began = 600, time.monotonic() - 100
    assert told.line() == "update 600 of 1100 in 1 min 40 s, 5 per second, about 1 min 40 s left"


def test_what_else_is_made_has_a_rate_and_the_last_line_no_time_left():
    told = Progress("completion", 480)
    told.done, told.also["tokens"], told._began = 480, 3000, time.monotonic() - 40
    assert told.line() == "completion 480 of 480 in 40 s, 12 per second, 3000 tokens (75 per second)"


def test_only_one_process_talks(capsys):
    with Progress("update", 2, silent=True) as told:
        told.done = 2
    assert capsys.readouterr().err == ""


def test_durations_read_well():
    spoken = {
        0: "0 s",
        0.25: "0.25 s",
        7.42: "7.4 s",
        59.4: "59 s",
        59.6: "1 min",
        75.2: "1 min 15 s",
        7290: "2 h 2 min",
    }
    assert {seconds: duration(seconds) for seconds in spoken} == spoken
