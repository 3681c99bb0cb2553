"""What `make run` does around Snakemake."""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("snakemake")

from scripts.commands import plan, run
from scripts.lib.runs.lock import RUN, folder_id, hold
from tests.lib.runs.test_snakemake_log import FAILURE, FINISH, START, text

DAY = 86400


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def signals():
    """What a run does about them ends with the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_help_is_its_own(capsys):
    assert run.main(["--help"]) == 0
    assert "--max-gpu-hours H" in capsys.readouterr().out


def test_files_of_the_future_are_dated_now(tmp_path):
    for name, days in (("results/a/.ahead", 2), ("results/behind", -2), ("data/ahead", 400)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (time.time() + days * DAY,) * 2)
    (tmp_path / "results/nowhere").symlink_to("gone")
    assert run.settle_clock() == 2
    assert max(path.lstat().st_mtime for path in tmp_path.rglob("*")) <= time.time()
    assert (tmp_path / "results/behind").stat().st_mtime < time.time() - DAY
    assert run.settle_clock() == 0


def test_a_run_ends_with_what_it_spent(tmp_path):
    logs = tmp_path / ".snakemake/log"
    logs.mkdir(parents=True)
    (logs / "2026-1.snakemake.log").write_text(text((START, "10", 1), (FINISH, "20", 1)))
    before = set(Path(".snakemake/log").glob("*"))
    assert run.last_words(before) == []
    (logs / "2026-2.snakemake.log").write_text(text((START, "30", 2), (FINISH, "45", 2)))
    assert run.last_words(before)[0].startswith(
        "1 jobs, spent / expected / planned at most: hours 0.250 / 1.000 / 2.000; "
        "GPU-hours 1.000 / 4.000 / 8.000"
    )


def test_a_run_that_fails_ends_with_the_steps_own_words(tmp_path):
    words = "error: data/mine.jsonl line 3: not JSON; " + "mend or remove the line " * 9
    (tmp_path / "logs/train_ppo").mkdir(parents=True)
    (tmp_path / "logs/train_ppo/a.log").write_text(f"begun\n{words}\n")
    (tmp_path / ".snakemake/log").mkdir(parents=True)
    (tmp_path / ".snakemake/log/2026-1.snakemake.log").write_text(
        text((START, "10", 1), (FAILURE, "20", 1), (START, "21", 1), (FINISH, "40", 1), (START, "41", 2))
        + text((FAILURE, "50", 2))
    )
    assert run.last_words(set())[1:] == [f"failed: train_ppo logs/train_ppo/a.log: {words.strip()}"]


def test_a_run_that_ends_well_says_what_alarms(tmp_path):
    (tmp_path / "logs/train_ppo").mkdir(parents=True)
    (tmp_path / "logs/train_ppo/a.log").write_text("begun\nalarm: KL is 30, above 20 (alarms.kl)\nsaved\n")
    (tmp_path / ".snakemake/log").mkdir(parents=True)
    (tmp_path / ".snakemake/log/2026-1.snakemake.log").write_text(text((START, "10", 1), (FINISH, "20", 1)))
    assert run.last_words(set())[1:] == [
        "alarm: train_ppo logs/train_ppo/a.log: KL is 30, above 20 (alarms.kl)"
    ]


FILES_GO = """
import os, snakemake.io

look = snakemake.io._IOFile.mtime_uncached

async def taken_back(file, *given, **more):
    if str(file) == "made" and os.path.exists("take"):
        os.remove("made")
        os.remove("take")
    return await look(file, *given, **more)

if os.path.exists("always"):
    open("take", "w").close()
    open("made", "w").close()

snakemake.io._IOFile.mtime_uncached = taken_back

rule made:
    output: "made"
    shell: "touch {output}"

rule again:
    input: "made"
    output: "again"
    shell: "touch {output}"
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how_often", "code"), [("take", 0), ("always", 1)])
def test_a_file_that_goes_while_it_is_looked_at_costs_no_second_call(
    tmp_path, monkeypatch, capfd, signals, how_often, code
):
    """As where a job of an earlier run is preempted and takes back what it has made: once, not for ever."""
    monkeypatch.setattr(plan, "checked", lambda arguments: None)
    (tmp_path / "Snakefile").write_text(FILES_GO)
    for name in ("made", "again", how_often):
        (tmp_path / name).touch()
    assert run.main(["--cores", "1", "again"]) == code
    said = "a job of an earlier run took a file back that was looked at: starting again"
    assert capfd.readouterr().out.splitlines().count(said) == 1
    assert len(list(Path(".snakemake/log").iterdir())) == 2


def test_nothing_starts_again_once_a_job_has_begun(tmp_path):
    (tmp_path / ".snakemake/log").mkdir(parents=True)
    log = tmp_path / ".snakemake/log/2026-1.snakemake.log"
    for begun in (False, True):
        log.write_text((text((START, "10", 1)) if begun else "") + f"file made {run.TAKEN_BACK}")
        assert run.taken_back(set()) != begun
    assert not run.taken_back({Path(".snakemake/log", log.name)})


def test_a_plan_from_which_a_file_goes_is_made_again(capfd, monkeypatch):
    ends = iter([(1, None, f"file made {run.TAKEN_BACK}\n"), (0, None, "well\n")])
    called = SimpleNamespace(run=lambda *_, **__: subprocess.CompletedProcess([], *next(ends)), PIPE=None)
    monkeypatch.setattr(run, "subprocess", called)
    assert run.plan(["target"]) == 0
    told = capfd.readouterr()
    assert "starting again" in told.out and told.err == "well\n"


def test_two_runs_never_work_in_one_folder(capfd, monkeypatch):
    """Nothing of the other is touched: its processes, its jobs in SLURM, Snakemake's lock."""
    monkeypatch.setattr(run, "clear", lambda *_: pytest.fail("cleared"))
    with hold():
        assert run.main(["--profile", "profiles/local"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"error: another run is at work in {Path.cwd()} (process {os.getpid()} on ")
    assert said.count("\n") == 1


def test_what_a_dead_run_left_working_is_ended():
    marked = subprocess.Popen(["sleep", "600"], env=os.environ | {RUN: folder_id()})
    other = subprocess.Popen(["sleep", "600"], env=os.environ | {RUN: "elsewhere"})
    try:
        run.clear()
        assert marked.wait(120) < 0
        assert other.poll() is None
    finally:
        marked.kill(), other.kill()
