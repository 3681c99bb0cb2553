"""One run at a time in a folder; a dead one is told from a living one, on another machine, too."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from scripts.lib.errors import UserError
from scripts.lib.process.linux import Process
from scripts.lib.runs import lock
from scripts.lib.runs.lock import hold, join, owner
from tests.support.steps import until

ROOT = Path(__file__).parents[3]
HOLD = "import time; from scripts.lib.runs.lock import hold\nwith hold(): print(flush=True); time.sleep(600)"
JOIN = "from scripts.lib.runs import lock; lock.join(); print(lock.owner(), flush=True); input()"
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(lock.MARK, raising=False)
    monkeypatch.delenv(lock.RUN, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return lock.LOCK


@pytest.fixture
def other(path):
    """A process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD], **PIPES) as process:
        process.stdout.readline()
        yield process
        process.kill()


def write(path: Path, found: Process, silent: float = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    os.utime(path, (time.time() - silent,) * 2)


def test_the_second_says_who_holds_it(other, path):
    said = owner()
    assert said and (said.pid, said.here) == (other.pid, True)
    words = rf"another run is at work in .* \(process {other.pid} on .*, since 20"
    with pytest.raises(UserError, match=words), hold():
        pass
    assert owner() == said, "asking takes nothing away"
    other.kill()
    other.wait()
    assert owner() is None
    with hold():
        assert owner() == Process.this()
    assert owner() is None and not path.read_text()


@pytest.mark.parametrize(
    ("change", "silent", "lives"),
    [
        ({}, 10**6, True),
        ({"began": 1}, 0, False),
        ({"pid": 2**30}, 0, False),
        ({"host": "elsewhere", "pid": 2**30}, 0, True),
        ({"host": "elsewhere", "pid": 2**30}, lock.SILENCE - 30, True),
        ({"host": "elsewhere", "pid": 2**30}, -(10**6), True),
        ({"host": "elsewhere"}, lock.SILENCE + 1, False),
    ],
    ids=["this", "number again", "gone", "there", "silent", "its clock ahead", "dead there"],
)
def test_who_lives(path, change, silent, lives):
    write(path, replace(Process.this(), **change), silent)
    assert (owner() is not None) == lives
    if lives:
        with pytest.raises(UserError, match="wait for it to end, or stop it there"), hold():
            pass
    else:
        with hold():
            assert owner() == Process.this()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}'])
def test_a_lock_that_says_nothing_is_nobodys(path, text):
    path.parent.mkdir()
    path.write_text(text)
    assert owner() is None
    with hold():
        assert owner() == Process.this()


def test_signs_of_life(path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with hold():
        os.utime(path, (0, 0))
        until(lambda: path.stat().st_mtime > 0)
    os.utime(path, (0, 0))
    monkeypatch.setenv(lock.MARK, str(Path.cwd()))
    join()
    until(lambda: path.stat().st_mtime > 0)
    assert owner() is None, "a run's own Snakemake renews its lock and takes none"


def test_a_plain_snakemake_holds_it(path):
    with subprocess.Popen([sys.executable, "-c", JOIN], **PIPES) as process:
        assert process.stdout.readline().startswith(f"process {process.pid} on ")
        with pytest.raises(UserError, match=f"process {process.pid}"), hold():
            pass
        process.communicate("\n")
    assert not path.read_text()


def test_a_folders_id_moves_with_it_and_a_copy_has_another(tmp_path):
    first = lock.folder_id()
    assert lock.folder_id() == first
    (tmp_path / "there").mkdir()
    shutil.copy(lock.ID, tmp_path / "there/copy")
    assert lock.folder_id(tmp_path / "there/copy") not in {first, ""}
    lock.ID.rename(tmp_path / "there/moved")
    assert lock.folder_id(tmp_path / "there/moved") == first


def test_a_job_works_in_its_own_run_s_folder_alone(tmp_path, monkeypatch):
    lock.belong()
    monkeypatch.setenv(lock.RUN, lock.folder_id())
    lock.belong()
    lock.ID.rename(tmp_path / "moved")
    lock.belong(tmp_path / "moved")
    for _ in ("a fresh clone in its place", "one that has had a run"):
        before = lock.ID.exists()
        with pytest.raises(UserError, match="is not the folder that this job was submitted from, .* moved"):
            lock.belong()
        assert lock.ID.exists() == before, "a job gives no folder an id"
        lock.folder_id()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"id": 1}'])
def test_an_id_that_says_nothing_is_made_anew(text):
    lock.ID.write_text(text)
    assert len(lock.folder_id()) == 12


def test_somebody_elses_folder_is_said(path, monkeypatch):
    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(Path, "open", closed)
    with (
        pytest.raises(UserError, match=rf"is {path.owner()}'s, not yours to run in .*redistill.lock"),
        hold(),
    ):
        pass
