"""Of several starts of one step one is at work."""

import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.process import lease as module
from scripts.lib.process.lease import RUN, lease
from tests.support.steps import until

ROOT = Path(__file__).parents[3]
HOLD = """\
import sys
from pathlib import Path
from scripts.lib.process import lease
lease.BEAT = float(sys.argv[4])
with lease.lease(Path(sys.argv[1]), Path(sys.argv[2]), getattr(lease, sys.argv[3])):
    print("at work", flush=True)
    sys.stdin.read()
print("done", flush=True)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.05)
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", RUN, module.RESTART):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def start(tmp_path):
    """Starts another process that holds the lease, of SLURM's job and start; waits until it works."""
    started = []

    def begin(
        *slurm: int,
        run: str = "",
        makes: str = "out",
        leave: str = "leave_at_once",
        beat: float = 0.2,
        wait: bool = True,
    ):
        command = [sys.executable, "-c", HOLD, str(tmp_path / "lease"), makes, leave, str(beat)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(command, env=told(*slurm, run=run), text=True, **pipes)
        started.append(process)
        if wait:
            assert process.stdout.readline() == "at work\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def told(*slurm: int, run: str = "") -> dict[str, str]:
    names = ("SLURM_JOB_ID", "SLURM_RESTART_COUNT")
    told = {name: str(number) for name, number in zip(names, slurm, strict=False)}
    return os.environ | {"PYTHONPATH": str(ROOT), RUN: run} | told


@pytest.fixture
def held(tmp_path):
    """Holds the lease in this process, which only notes that it would have to leave: that ends no tests."""
    left = []
    yield lambda: lease(tmp_path / "lease", Path("out"), left.append)
    assert not left


def here(monkeypatch, *slurm: int, run: str = "") -> None:
    for name, value in told(*slurm, run=run).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"slurm": (5,)}, {}),
        ({"slurm": (5,), "run": "a"}, {"slurm": (6,), "run": "b"}),
        ({"slurm": (5,), "makes": "other"}, {"slurm": (6,)}),
        ({"slurm": (5,)}, {"slurm": (5,)}),
    ],
    ids=["by hand", "beside a job", "two clones", "another result", "in one job"],
)
def test_the_second_waits_for_the_first(start, tmp_path, first, second):
    holder = start(*first.pop("slurm", ()), **first)
    waiter = start(*second.pop("slurm", ()), **second, wait=False)
    line = waiter.stderr.readline()
    who = f"process {holder.pid}" if "slurm" not in first and "job" not in line else "SLURM job 5, start 1"
    assert line.startswith(f"waiting for {who}, on ") and line.endswith(f"it works in {tmp_path}\n")
    holder.stdin.close()
    assert holder.stdout.read() == "done\n" and holder.wait() == 0
    assert waiter.stdout.readline() == "at work\n"
    waiter.stdin.close()
    assert waiter.wait() == 0
    assert not (tmp_path / "lease").exists()


@pytest.mark.parametrize("newer", [(5, 1), (6,)], ids=["started again", "another job"])
def test_the_newer_start_goes_on_and_the_older_one_ends(start, held, tmp_path, monkeypatch, newer):
    older = start(5, run="a")
    here(monkeypatch, *newer, run="a")
    with held():
        assert older.wait(120) == 2
        words = f"SLURM job {newer[0]}, start {len(newer)}, on "
        said = older.stderr.read()
        assert said.startswith(f"error: {words}") and said.count("\n") == 1
        assert "has taken over what this start works on; this one ends" in said
        assert len(list((tmp_path / "lease").iterdir())) == 1


def test_an_older_start_that_comes_late_ends_in_one_line(start, tmp_path, monkeypatch):
    start(6, run="a")
    here(monkeypatch, 5, run="a")
    monkeypatch.setattr(module, "BEAT", 5.0)  # its thread would find the same, and who comes first is chance
    late = lease(tmp_path / "lease", Path("out"), Path.unlink)
    with pytest.raises(UserError, match=r"SLURM job 6, start 1, on .* has taken over"), late:
        pass
    assert len(list((tmp_path / "lease").iterdir())) == 1


def test_a_start_that_hangs_is_replaced_and_ends_when_it_goes_on(start, held, tmp_path, monkeypatch):
    older = start(5, run="a", beat=3)  # so that it is not stopped while it looks who else is there
    older.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(module, "SUPERSEDED", 0.3)
    here(monkeypatch, 5, 1, run="a")
    with held():
        older.send_signal(signal.SIGCONT)
        assert older.wait(120) == 2
        assert "no sign of life" in older.stderr.read()


def test_who_is_given_up_while_one_looks_is_no_reason_to_end(tmp_path, monkeypatch):
    """The thread still sees the one ahead alive; the step sees it dead a moment later, and goes to work."""
    left = []
    line = module.Line(tmp_path / "lease", Path("out"), left.append)
    line.place = (2, "mine")
    ahead = [((1, "theirs"), Path("theirs"), module.Start.of("out"))]

    def look() -> list:
        found = [] if line.alone else ahead
        line.alone = True
        return found

    monkeypatch.setattr(line, "_others", look)
    line._take(2)
    turns = iter([False, False, True])
    monkeypatch.setattr(line._over, "wait", lambda _: next(turns))
    line._renew()
    assert left == []


def test_a_dead_one_keeps_nobody_waiting(start, held, tmp_path):
    killed = start()
    killed.kill()
    killed.wait()
    with held():
        assert len(list((tmp_path / "lease").iterdir())) == 1


def test_a_process_that_begins_anew_does_not_wait_for_what_it_was(tmp_path):
    earlier = {"number": 1, "start": asdict(module.Start.of("out"))}
    write_json(earlier, tmp_path / "lease/earlier.json")
    with module.Line(tmp_path / "lease", Path("out"), Path.unlink) as line:
        assert line.ahead() == []


def test_another_machines_start_is_alive_as_long_as_it_says_so(start, held, tmp_path, monkeypatch):
    other = start()
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    monkeypatch.setattr(module, "SILENCE", 1.0)
    other.send_signal(signal.SIGSTOP)
    with held():
        other.send_signal(signal.SIGCONT)
        assert other.wait(120) == 2


def test_who_stores_in_order_is_told_as_slurm_tells(start, held, tmp_path, monkeypatch):
    older = start(5, run="a", leave="leave_in_order")
    here(monkeypatch, 6, run="a")
    with held():
        until(lambda: older.poll() is not None)
        assert older.returncode == -signal.SIGTERM


def test_a_step_knows_its_jobs_restart_where_srun_takes_the_word_away(monkeypatch):
    here(monkeypatch, 7, 2)
    module.remember_restart()
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    assert module.Start.of("out").restart == 2
    monkeypatch.setenv("SLURM_JOB_ID", "8")  # a job of the driver's, which inherits its words
    assert module.Start.of("out").restart == 0
