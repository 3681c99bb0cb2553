"""A forked step is what a process of its own would be, and dies with those it belongs to."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from socket import AF_UNIX, socket, socketpair

import pytest

pytest.importorskip("torch")

from scripts.launch import forkserver
from scripts.lib.process.linux import alive
from tests.support.steps import until

ROOT = Path(__file__).resolve().parents[2]
STEP = """
import os, signal, sys, time
from pathlib import Path
from scripts.lib.process.signals import terminable

what, *rest = sys.argv[1:]
if what == "tell":
    asker = os.getppid() == int(os.environ["ASKER"])
    print(os.getcwd(), os.environ["COLOUR"], rest, __name__, "torch" in sys.modules, asker)
    print("said to stderr", file=sys.stderr)
    import torch
    print(torch.get_num_threads(), sys.stdin.read())
    raise SystemExit(7)
if what == "again":
    print("again" if rest else "first", flush=True)
    os.execv(sys.executable, [*sys.orig_argv, "x"]) if not rest else None
if what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "wait":
    with terminable():
        try:
            Path(rest[0]).write_text(str(os.getpid()))
            time.sleep(600)
        finally:
            Path(rest[0] + ".stored").touch()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server's environment, folder and process, everything imported."""
    folder = tmp_path_factory.mktemp("forks")
    (folder / "step.py").write_text(STEP)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{folder}", "OMP_NUM_THREADS": "1"}
    with serving(folder, environment) as process:
        environment |= {forkserver.SOCKET: "socket"}
        for _ in range(2):  # the first one is not kept waiting for the imports
            step(folder, environment, "again", "x").wait()
        yield folder, environment, process


class serving:
    def __init__(self, folder: Path, environment: dict[str, str]):
        command = [sys.executable, "-m", "scripts.launch.forkserver", "--serve", "socket"]
        (folder / "socket").unlink(missing_ok=True)
        self.process = subprocess.Popen(command, cwd=folder, env=environment)
        until(lambda: listens(folder / "socket"))

    def __enter__(self) -> subprocess.Popen:
        return self.process

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


def listens(path: Path) -> bool:
    """Whether somebody does: a server's socket is there a moment earlier."""
    with socket(AF_UNIX) as asking:
        return not asking.connect_ex(str(path))


def hears(number: int, what: signal.Signals) -> bool:
    """Whether a process has a handler for the signal."""
    status = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
    return bool(int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[1], 16) >> (what - 1) & 1)


def step(folder: Path, environment: dict[str, str], *flags: str, **how) -> subprocess.Popen:
    command = [sys.executable, "-m", "scripts.launch.forkserver", "-m", "step", *flags]
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes | how)


def waiting(folder: Path, environment: dict[str, str], name: str) -> tuple[subprocess.Popen, int]:
    """A step that waits, and its own process; who asked passes signals on, too."""
    asker, file = step(folder, environment, "wait", name), folder / name
    until(lambda: file.exists() and file.read_text() and hears(asker.pid, signal.SIGTERM))
    return asker, int(file.read_text())


def test_a_fork_runs_as_a_process_of_its_own_would(server):
    folder, environment, _ = server
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    environment = environment | {"COLOUR": "grün", "OMP_NUM_THREADS": "2", "ASKER": str(os.getpid())}
    told = {}
    for name, path in (("forked", str(folder / "socket")), ("alone", str(folder / "nobody"))):
        done = step(elsewhere, environment | {forkserver.SOCKET: path}, "tell", "--a", "b c")
        out, err = done.communicate("to stdin")
        told[name] = (out.splitlines(), err, done.returncode)
    forked, alone = told["forked"], told["alone"]
    assert alone[0] == [
        f"{elsewhere} grün ['--a', 'b c'] __main__ False True",
        "2 to stdin",
    ]
    assert forked[0] == [alone[0][0].replace("False True", "True False"), alone[0][1]]
    assert forked[1:] == alone[1:] == ("said to stderr\n", 7)


def test_a_step_that_starts_itself_again_does(server):
    folder, environment, _ = server
    out, _ = step(folder, environment, "again").communicate()
    assert out.split() == ["first", "again"]


def test_a_step_killed_by_a_signal_is_told_as_such(server):
    folder, environment, _ = server
    assert step(folder, environment, "die").wait() == -signal.SIGKILL


def test_a_signal_to_the_asker_reaches_the_step(server):
    folder, environment, _ = server
    asker, number = waiting(folder, environment, "term")
    asker.terminate()
    assert asker.wait(120) == 128 + signal.SIGTERM
    assert (folder / "term.stored").exists() and not alive(number)


def test_a_step_dies_with_its_asker(server):
    folder, environment, _ = server
    asker, number = waiting(folder, environment, "killed")
    asker.kill()
    until(lambda: not alive(number))
    assert not (folder / "killed.stored").exists()


def test_many_at_a_time_and_the_server_is_left_with_nothing(server):
    folder, environment, process = server
    askers = [step(folder, environment, "again", "x") for _ in range(6)]
    assert [asker.wait(120) for asker in askers] == [0] * 6
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    assert not children.read_text(encoding="utf-8")
    # Standard ones and the socket: it tells an asker first, and closes what it had for him then.
    until(lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) == 4)


def test_what_is_imported_ahead_starts_no_thread(server):
    _, _, process = server
    assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 1


@pytest.mark.parametrize("mask", (0o000, 0o002))
def test_nobody_else_may_ask(tmp_path, mask):
    """Whoever may write to the socket runs steps as its owner: its mode does not follow the umask."""
    before = os.umask(mask)
    try:
        server = forkserver.ForkServer(str(tmp_path / "socket"))
    finally:
        assert os.umask(before) == mask
    with server.listener:
        assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600


def test_another_users_process_is_no_peer(monkeypatch):
    one, other = socketpair()
    with one, other:
        assert forkserver._ours(one)
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert not forkserver._ours(one)


def test_a_step_is_told_to_end_when_the_server_dies(tmp_path):
    (tmp_path / "step.py").write_text(STEP)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}", forkserver.SOCKET: "socket"}
    with serving(tmp_path, environment) as process:
        asker, number = waiting(tmp_path, environment, "orphan")
        process.kill()
        assert asker.wait(120) == 1
        assert "the fork server is gone" in asker.stderr.read()
        until(lambda: not alive(number))
        assert (tmp_path / "orphan.stored").exists()
        assert step(tmp_path, environment, "again", "x").wait() == 0, "nobody listens: a process of its own"
