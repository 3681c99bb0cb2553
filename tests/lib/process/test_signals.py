"""The end that SIGTERM asks for, in processes of their own."""

import re
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import atexit, sys, time
from scripts.lib.process import signals
from scripts.lib.errors import UserError

def ready():
    print("ready", flush=True)

def told():  # the signals are sent before the line that this waits for
    ready()
    sys.stdin.readline()

def wait(seconds):  # a signal between Python's look for one and a sleep is seen when that is over
    for _ in range(10 * seconds):
        time.sleep(0.1)

def work(end):
    {work}

with signals.terminable() as end:
    try:
        work(end)
    finally:
        print("stored", flush=True)
print("went on", flush=True)
"""


def end(work: str, signals: int = 1, patience: float | None = None) -> tuple[int, str, float]:
    """Send SIGTERM to a process once its `work` has called `ready` or `told`; its exit code, what it said,
    and the seconds it took."""
    program = PROGRAM.format(work=work)
    if patience is not None:
        program = program.replace("def work", f"signals.PATIENCE = {patience}\n\ndef work")
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.stdout.readline()
    began = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    out, _ = process.communicate("\n")
    return process.wait(), said + out, time.monotonic() - began


@pytest.mark.parametrize("signals", [1, 2])
def test_the_end_runs_what_must_be_and_says_how_long_it_took(signals):
    code, said, took = end(
        """
    ready()
    wait(60)""",
        signals,
    )
    assert code == 143 and "went on" not in said
    assert said.index("SIGTERM: storing") < said.index("stored\n") < said.index("stored what was finished, ")
    [seconds] = re.findall(r"stored what was finished, ([\d.]+) s after SIGTERM", said)
    assert float(seconds) <= took + 0.05


def test_what_is_held_comes_first():
    code, said, _ = end("""
    with end.held():
        told()
        print("whole", flush=True)
    print("beyond", flush=True)""")
    assert code == 143 and "whole" in said and "beyond" not in said


def test_an_engine_that_the_signal_broke_is_an_end_too():
    code, said, _ = end("""
    try:
        ready()
        wait(60)
    except BaseException:
        raise RuntimeError("engine core died")""")
    assert code == 143 and "Traceback" not in said and "stored what was finished" in said


def test_a_full_disk_at_the_end_is_told():
    code, said, _ = end("""
    try:
        ready()
        wait(60)
    finally:
        raise UserError("no space is left")""")
    assert code == 1 and "no space is left" in said


@pytest.mark.parametrize(
    ("hangs", "status"),
    [
        (
            """
    try:
        ready()
        wait(200)
    except SystemExit:
        time.sleep(200)""",
            143,
        ),
        (
            """
    atexit.register(time.sleep, 200)
    ready()
    wait(200)""",
            -signal.SIGALRM,
        ),
    ],
)
def test_what_hangs_is_ended_by_force(hangs, status):
    code, _, seconds = end(hangs, patience=1)
    assert code == status and seconds < 120


def test_without_a_signal_nothing_changes():
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(work="pass")], capture_output=True, text=True, check=True
    )
    assert process.stdout.split("\n")[-2] == "went on" and process.stderr == ""


def test_an_event_loop_finishes_what_a_signal_falls_into():
    code, said, _ = end("""
    import asyncio
    loop = asyncio.new_event_loop()
    async def reply():
        told()
        return "whole"
    with signals.deferred(loop, lambda: None):
        print(loop.run_until_complete(reply()), flush=True)
    print("beyond", flush=True)""")
    assert code == 143 and "whole" in said and "beyond" not in said
