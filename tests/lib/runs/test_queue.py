"""A job is handed to SLURM once, whatever SLURM answers, and none is waited for that SLURM has forgotten."""

import math
import subprocess
import threading
from pathlib import Path

import pytest

from scripts.lib.runs import queue
from scripts.lib.runs.queue import Jobs, Submission, passes, remembering

TIMEOUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
LIMIT = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)"
)
WALL = f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{POLICY}"
REFUSED = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination"


OPTIONS: dict = {"shell": True, "text": True} | dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Writes commands of a SLURM: shell texts, by name. Each call of sbatch is a line in `calls`."""

    def write(**commands: str) -> Path:
        for name, text in commands.items():
            (tmp_path / name).write_text(f"#!/bin/bash\ncd {tmp_path}\necho {name} $* >> calls\n{text}\n")
            (tmp_path / name).chmod(0o755)
        return tmp_path / "calls"

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(queue, "PAUSE", 0.01)
    monkeypatch.setattr(queue, "jobs", Jobs())
    monkeypatch.setattr(queue, "stopping", threading.Event())
    return write


def submit() -> tuple[str, str, int]:
    call = Submission("sbatch --comment redistill_1/abc/1 --wrap=true", **OPTIONS)
    return *call.communicate(), call.returncode


@pytest.mark.parametrize(
    ("squeue", "number"),
    [("echo '4|redistill_0/abc/1/x|.'", "4"), ("echo '5|redistill_0/abc/2/x|.'", "7"), ("exit 1", "4")],
    ids=["at work", "ended meanwhile", "SLURM away"],
)
def test_what_an_earlier_run_left_is_not_submitted_again(slurm, monkeypatch, squeue, number) -> None:
    calls = slurm(sbatch="echo 7", squeue=squeue)
    monkeypatch.setattr(queue, "left", {"1": "4"})
    call = Submission("sbatch --comment redistill_1/abc/1/y --wrap=true", **OPTIONS)
    assert call.communicate() == ((number, "") if number == "4" else ("7\n", ""))
    assert call.returncode == 0 and queue.jobs.ours == {number} and not queue.left
    assert ("sbatch" in calls.read_text()) == (number == "7")


def after(refusals: int, words: str) -> str:
    """An sbatch that refuses so often, then takes job 7."""
    return f'[ $(grep -c sbatch calls) -gt {refusals} ] && echo 7 && exit\necho "{words}" >&2; exit 1'


@pytest.mark.parametrize("words", [TIMEOUT, LIMIT, POLICY], ids=["away", "limit", "policy"])
def test_a_refusal_that_passes_is_waited_for_and_said_once(slurm, capsys, words):
    calls = slurm(sbatch=after(6, words), squeue='[[ "$*" == *%k* ]] && echo "3|other" || echo 3')
    assert submit() == ("7\n", "", 0)
    assert calls.read_text().count("sbatch") == 7
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "a job waits to be submitted since " in said and words in said
    assert queue.jobs.ours == {"7"}


def test_a_job_whose_answer_was_lost_is_found_and_not_sent_again(slurm, capsys):
    calls = slurm(sbatch=after(9, TIMEOUT), squeue="echo '3|redistill_1/abc/2'; echo '5|redistill_1/abc/1'")
    assert submit() == ("5", "", 0)
    assert calls.read_text().count("sbatch") == 1
    assert "SLURM had taken it all the same: job 5" in capsys.readouterr().err
    assert queue.jobs.ours == {"5"}


def test_nothing_is_sent_again_before_slurm_has_said_what_it_holds(slurm):
    squeue = "[ $(grep -c squeue calls) -gt 3 ] && echo '5|redistill_1/abc/1' && exit; exit 1"
    calls = slurm(sbatch=after(9, TIMEOUT), squeue=squeue)
    assert submit() == ("5", "", 0)
    assert calls.read_text().count("sbatch") == 1


@pytest.mark.parametrize(("words", "held"), [(REFUSED, "echo 3"), (POLICY, "true"), (WALL, "echo 3")])
def test_what_slurm_never_takes_fails_at_once(slurm, words, held):
    calls = slurm(sbatch=after(9, words), squeue=held)
    assert submit() == ("", f"{words}\n", 1)
    assert calls.read_text().count("sbatch") == 1


def test_nobody_waits_when_the_run_ends(slurm):
    slurm(sbatch=after(10**6, TIMEOUT), squeue="true")
    queue.stopping.set()
    assert submit() == ("", f"{TIMEOUT}\n", 1)


@pytest.mark.parametrize(
    ("words", "transient"),
    [
        ("Unable to contact slurm controller (connect failure)", True),
        ("Batch job submission failed: Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("Zero Bytes were transmitted or received", True),
        ("AssocGrpSubmitJobsLimit", True),
        (f"QOSMaxSubmitJobPerUserLimit\n{POLICY}", True),
        (f"QOSGrpGRES\n{POLICY}", False),
        ("invalid partition specified: gpu", False),
        ("Requested time limit is invalid (missing or exceeds some limit)", False),
        ("Memory specification can not be satisfied", False),
    ],
)
def test_what_passes_by_itself(words, transient):
    assert passes(f"sbatch: error: {words}\n") == transient


def test_a_job_that_slurm_has_forgotten_has_failed(capsys):
    jobs = Jobs(ours={"7", "8"})
    assert jobs.looked({"7": "RUNNING", "8": "COMPLETED"}, 0) == {"7": "RUNNING", "8": "COMPLETED"}
    assert [jobs.looked({}, at)["7"] for at in (10, 20, 100)] == ["PENDING"] * 3, "it may come again"
    assert jobs.looked({"7": "RUNNING"}, 125)["7"] == "RUNNING"
    assert [jobs.looked({}, at)["7"] for at in (200, 320)] == ["PENDING"] * 2, "too few looks"
    assert jobs.looked({}, 330) == {"7": "FAILED"}
    assert jobs.looked({}, 900) == {}
    assert capsys.readouterr().err == (
        "SLURM does not know job 7 any more: it is taken for failed, and made again\n"
    )


def test_an_outage_is_said_once_and_is_no_look(capsys):
    jobs = Jobs(ours={"7"})
    for at in (0, 200, 400):
        assert jobs.looked(None, at) is None
    assert jobs.looked({}, 600) == {"7": "PENDING"}
    assert jobs.looked({"7": "COMPLETED"}, 610) == {"7": "COMPLETED"}
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("SLURM does not answer since ") and second.startswith("SLURM answers again")


def test_a_cancelled_job_has_ended_whoever_did_it():
    """As sacct words it, where squeue says CANCELLED; plugin 2.8.0 waits on what it does not know."""
    jobs = Jobs(ours={"7"})
    assert jobs.looked({"7": "CANCELLED by 1000"}, 0, queue=False) == {"7": "CANCELLED"}
    assert not jobs.ours


def test_why_a_job_waits_is_said_once_where_it_is_not_for_its_turn(capsys):
    jobs = Jobs(ours={"6", "7", "8"})
    for reason in ("Priority", "AssocGrpGRESMinutes", "ReqNodeNotAvail, UnavailableNodes:n1"):
        states = {
            "6": "RUNNING (None)",
            "7": f"PENDING ({reason})",
            "8": f"PENDING ({reason})",
            "9": "PENDING (Held)",
        }
        for at in (0, 1):
            assert jobs.looked(states, at) == {number: states[number].split()[0] for number in states}
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("job 7 waits since ") and first.endswith(": SLURM says AssocGrpGRESMinutes")
    assert second.endswith(": SLURM says ReqNodeNotAvail")


def test_jobs_of_this_run_alone_are_queued_again(slurm):
    calls = slurm(scontrol="true")
    states = {"7": "PREEMPTED", "6": "PREEMPTED"}
    assert Jobs(ours={"7"}).looked(states, 0) == {"7": "PENDING", "6": "PREEMPTED"}
    assert calls.read_text() == "scontrol requeue 7\n"


def test_an_accounting_database_that_is_late_forgets_nothing():
    jobs = Jobs(ours={"7"})
    assert [jobs.looked({}, at, queue=False) for at in (0, 200, 400, 600)] == [{}] * 4


def test_what_slurm_remembers_is_asked_until_it_is_known():
    answers = iter([None, 300, None])
    age = remembering(lambda: next(answers))
    assert [age() for _ in range(3)] == [math.inf, 300, 300]
