"""What a cluster does to a run, at the start, in the middle and near the end of a step:
the run ends well, with the undisturbed results.

Each case is a copy of a finished run from which one step's results have been taken. After its faults:
the step's results are those of the undisturbed run, byte for byte;
what was paid for before a fault is still there; nothing is paid for twice; no step ever ran beside itself;
nothing is left in the queue.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest

from scripts.lib.process.linux import alive
from scripts.lib.runs.slurm import minutes
from tests.slurm.box import PPO, REWARD, SAMPLES, SFT
from tests.slurm.case import Case

pytestmark = pytest.mark.campaign

GRADES = SAMPLES.replace("student_samples", "student_grades")
DAYS = 86400


@pytest.fixture
def case(request, local, cluster, tmp_path):
    """Makes the case of a step."""
    made = []

    def make(what: str) -> Case:
        made.append(Case(local, cluster, tmp_path / f"box{len(made)}", what))
        return made[-1]

    yield make
    cluster.clear()


def cancelled(case: Case, job: dict) -> None:
    case.cluster("scancel", job["id"])


def node_down(case: Case, job: dict) -> None:
    case.cluster("scontrol", "update", f"nodename={job['node']}", "state=down", "reason=test")
    case.hurry(job["id"])
    case.box.until(case.began, "the job on another node")
    case.cluster("scontrol", "update", f"nodename={job['node']}", "state=resume")


def preempted(case: Case, job: dict) -> None:
    crowd_out(case, job)
    case.hurry(job["id"])


def crowd_out(case: Case, job: dict) -> None:
    """Take the whole node for a second, for something urgent."""
    everything = ["-p", "urgent", "--exclusive", "--no-requeue", "-w", job["node"], "-o", "/dev/null"]
    case.cluster("sbatch", *everything, "--wrap", "sleep 1")


def cut_off(case: Case, job: dict) -> None:
    """SLURM takes the node for dead and starts the job on another one, beside the step, which works on."""
    older = case.process()
    with case.cluster.cut_off(job["node"]), slowed(older):
        case.hurry(job["id"])
        case.box.until(case.began, "the job on another node")
        case.box.until(lambda: not alive(older.pid), "the end of the older start")
        if (case.box.folder / case.target).exists():  # by the newer one, which has ended before the slow one
            case.box.until(lambda: len(case.starts("end")) == 2, "the end of the newer start")


@contextlib.contextmanager
def slowed(process: psutil.Process) -> Iterator[None]:
    """A process as on a slow machine: it works a twentieth of the time, and does not come to its end."""
    over = threading.Event()

    def hold() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while not over.wait(0.05):
                process.suspend()
                over.wait(1)
                process.resume()

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()


def controller_restarted(case: Case, job: dict) -> None:
    """The job goes on."""
    case.cluster.stop_controller()
    case.cluster.start_controller()
    case.struck -= 1


def out_of_memory(case: Case, job: dict) -> None:
    """What the kernel does to a step that takes too much."""
    case.process().kill()


def snakemake_killed(case: Case, job: dict) -> None:
    """The next run goes on with the job, whose step waits for it: nothing befalls it before."""
    case.struck -= 1
    step = case.process()
    step.suspend()
    kill(case)
    assert [item["id"] for item in case.jobs("RUNNING")] == [job["id"]], "SLURM's job has gone on"
    said = "going on with 1 SLURM jobs"
    before = case.box.log().count(said)
    case.start()
    case.box.until(lambda: case.box.log().count(said) > before, "the run that goes on with the job")
    step.resume()


def kill(case: Case) -> None:
    """SIGKILL to the run and all its processes here; SLURM's jobs go on."""
    for process in [*psutil.Process(case.run.pid).children(recursive=True), psutil.Process(case.run.pid)]:
        process.kill()
    case.run.wait()


def interrupted(case: Case, job: dict) -> None:
    """Ctrl-C, which a terminal sends to the whole group."""
    for process in [*psutil.Process(case.run.pid).children(), psutil.Process(case.run.pid)]:
        process.send_signal(signal.SIGINT)
    ended(case)


def terminated(case: Case, job: dict) -> None:
    case.run.send_signal(signal.SIGTERM)
    ended(case)


def ended(case: Case) -> None:
    """The run has gone, its jobs with it; it is started again."""
    assert case.run.wait(600) != 0
    case.cluster.wait_for(lambda: not case.jobs("RUNNING", "PENDING"), 120, "jobs do not end")
    case.start()


def moved(case: Case, job: dict) -> None:
    """The run is killed, its folder moved, and the next one starts there, while the job works on."""
    kill(case)
    case.box.folder = case.box.folder.rename(case.box.folder.with_name("moved"))
    case.start()


def by_another_path(case: Case, job: dict) -> None:
    """The run, in a folder that a link leads to, is killed; the next one starts by the link."""
    kill(case)
    case.struck -= 1
    link = case.box.folder.with_name("link")
    link.symlink_to(case.box.folder)
    case.box.folder = link
    case.start()


TIME = r"([\d.]+ s|\d+ min( \d+ s)?)"
"""A duration of up to an hour, as `make status` says it."""
CAMPAIGNS = {
    SAMPLES: [("start", snakemake_killed), ("middle", preempted), ("end", node_down)],
    SFT: [("start", terminated), ("middle", node_down), ("end", cancelled)],
    REWARD: [("start", out_of_memory), ("middle", controller_restarted), ("end", snakemake_killed)],
    PPO: [("start", cancelled), ("middle", preempted), ("end", interrupted)],
}


@pytest.mark.parametrize("what", CAMPAIGNS, ids=["sampling", "sft", "reward", "ppo"])
def test_a_step_outlives_what_befalls_it(case, what):
    struck = case(what)
    struck.start()
    for when, fault in CAMPAIGNS[what]:
        struck.strike(when, fault)
    struck.finish()


@pytest.mark.parametrize(("what", "fault", "starts"), [(PPO, moved, 2), (SAMPLES, by_another_path, 1)])
def test_a_folder_that_is_reached_by_another_path_is_the_same(case, what, fault, starts):
    struck = case(what)
    struck.start()
    struck.strike("middle", fault)
    struck.finish()
    assert len(struck.starts()) == starts


@pytest.mark.parametrize("what", [SAMPLES, PPO], ids=["sampling", "ppo"])
def test_of_two_starts_of_a_job_the_newer_goes_on_and_the_older_ends(case, what):
    struck = case(what)
    struck.start()
    struck.strike("middle", cut_off)
    struck.finish(beside=1)
    assert len(struck.starts()) == 2


@pytest.mark.parametrize("what", [SAMPLES, PPO], ids=["sampling", "ppo"])
def test_a_job_that_is_preempted_after_its_step_makes_nothing_again(case, what):
    struck = case(what)
    struck.start()
    struck.strike("after", preempted)
    struck.finish()
    assert len(struck.starts()) == 2


def test_a_job_that_ends_after_its_snakemake_was_killed_is_taken_as_it_is(case):
    alone = case(PPO)
    alone.start()
    alone.strike("middle", lambda alone, job: kill(alone))
    alone.box.until(lambda: not alone.jobs("RUNNING"), "the end of the job")
    alone.start()
    alone.finish()
    assert len(alone.starts()) == 1


def test_a_job_that_is_cancelled_to_make_room_is_queued_again(case):
    """In a partition that does not requeue what it preempts, the run does, when it looks at its jobs; and it
    says why one waits that somebody holds."""
    struck = case(SFT)
    struck.start("--set-resources", "train_sft:slurm_partition=cheap")
    struck.strike("middle", crowd_out)
    struck.box.until(lambda: struck.jobs("PENDING"), "the job in the queue again")
    number = struck.jobs()[0]["id"]
    struck.cluster("scontrol", "hold", number)
    said = f"job {number} waits since "
    struck.box.until(lambda: said in struck.box.log() and "SLURM says JobHeld" in struck.box.log(), said)
    struck.cluster("scontrol", "release", number)
    struck.hurry(number)
    struck.finish()
    assert len(struck.jobs()) == 1 and len(struck.starts()) == 2


def test_a_lost_answer_of_sbatch_makes_no_second_job(case, cluster):
    struck, sbatch = case(SFT), cluster.folder / "bin/sbatch"
    whole = sbatch.read_text()
    shell, call = whole.splitlines()
    sbatch.write_text(f"""\
{shell}
case "$*" in *--test-only*) ;; *)
    if mkdir {struck.box.folder}/lost 2> /dev/null; then
        {call.replace("exec ", "")} > /dev/null
        echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
        exit 1
    fi;;
esac
{call}
""")
    try:
        struck.start()
        struck.finish()
    finally:
        sbatch.write_text(whole)
    assert (
        struck.box.folder / "lost"
    ).exists() and "SLURM had taken it all the same: job" in struck.box.log()
    assert len(struck.jobs()) == 1 and len(struck.starts()) == 1


def test_a_job_near_its_time_limit_saves_and_goes_on(case):
    """Two steps side by side, as SLURM looks for jobs near their limit every 30 s only; they pause so
    long."""
    samples, ppo = case(SAMPLES), case(PPO)
    paused = {}
    for each in (samples, ppo):
        each.start()
        each.strike("middle", lambda each, job: paused.update({each: each.process()}))
        paused[each].suspend()
    watched(samples, "sample_student")
    assert re.search(
        r"^[\d,]+ samples and [1-9]\d* PPO episodes so far$", watched(ppo, "train_ppo"), re.MULTILINE
    )
    for each in (samples, ppo):  # from here they have a minute in which to hear of it and to end
        near_limit(each)
    for each, process in paused.items():
        each.box.until(lambda process=process: told_to_end(process), "SLURM's signal", 180)
    for each in (samples, ppo):
        each.finish()
        numbers = sorted((job["id"] for job in each.jobs()), key=int)
        first, second = (
            each.cluster("squeue", "-h", "-t", "all", "-j", number, "-o", "%T %l") for number in numbers
        )
        assert first.startswith("FAILED "), "it ended by itself, in time"
        state, limit = second.split()
        assert state == "COMPLETED" and minutes(limit) < 60, "what is left of the hours planned at most"
    assert samples.box.spent(SAMPLES)["reused"] > 0
    log = next((ppo.box.folder / "logs/train_ppo").rglob("*.log")).read_text()
    assert "1" not in re.findall(r"iteration=(\d+)", log), "PPO goes on where it was"


def near_limit(case: Case) -> None:
    """Leave the case's job between one minute and two: less than the notice that the profile asks for."""
    [job] = case.jobs("RUNNING")
    took = minutes(case.cluster("squeue", "-h", "-j", job["id"], "-o", "%M"))
    case.cluster("scontrol", "update", f"jobid={job['id']}", f"timelimit={int(took) + 2}")


def watched(case: Case, rule: str) -> str:
    """What `make status` tells of a step at work."""
    command = [sys.executable, "-m", "scripts.commands.status", "box"]
    told = subprocess.run(
        command, cwd=case.box.folder, env=case.cluster.environment, capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("box: at work; 0 of 1 jobs done, 1 running, 0 failed")
    assert re.search(
        rf"^  running  {rule} \(.*\), SLURM \d+ RUNNING, {TIME}, about {TIME} left$", told, re.MULTILINE
    ), told
    return told


def told_to_end(process: psutil.Process) -> bool:
    """Whether SIGTERM has come to a stopped process, which then goes on; or has ended it already, as SLURM
    lets it go on itself."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*(\w+)", status, re.MULTILINE)
        if process.status() == psutil.STATUS_STOPPED and not any(int(mask, 16) >> 14 & 1 for mask in masks):
            return False
        process.resume()
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        pass
    return True


@contextlib.contextmanager
def small_disk(folder: Path, pages: int) -> Iterator[Callable[[], None]]:
    """A file system of so many free pages over `folder`, with what was there; what it yields makes it
    larger."""
    held = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    pages += sum(-(-len(content) // 4096) for content in held.values())
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={pages * 4}k", "tmpfs", folder]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small file system needs root with the right to mount")
    try:
        for name, content in held.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        yield lambda: subprocess.run(["mount", "-o", "remount,size=100m", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize(
    ("what", "disk"),
    [(SAMPLES, "store"), (SAMPLES, "results"), (PPO, "results")],
    ids=["store", "samples", "weights"],
)
def test_a_full_disk_fails_plainly_and_the_next_call_goes_on(case, what, disk):
    struck = case(what)
    with small_disk(struck.box.folder / disk, pages=3) as enlarge:
        struck.start("--retries", "0")
        assert struck.run.wait(1200) != 0
        said = [
            (path.read_text().splitlines() or [""])[-1]
            for path in (struck.box.folder / "logs").glob("*_*/**/*.log")
        ]
        assert [line for line in said if line.startswith("error: ") and "no space" in line.lower()], said
        struck.held = struck.paid()
        enlarge()
        struck.start()
        struck.finish()


def test_a_truncated_file_of_the_store_costs_its_own_rows(case):
    struck = case(SAMPLES)
    for path in struck.students(struck.local).iterdir():
        copy = struck.box.folder / path.relative_to(struck.local.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    damaged = min(struck.students().glob("part-*"))
    rows = pl.read_parquet(damaged).height
    damaged.write_bytes(damaged.read_bytes()[:-100])
    struck.start()
    struck.finish()
    assert struck.box.spent(SAMPLES)["sampled"] == rows


def test_a_clock_that_jumps_loses_nothing_and_runs_nothing_again(case):
    """A step sees a clock two days behind, then one two days ahead; files come to be dated both ways."""
    struck = case(SAMPLES)
    clock = struck.box.folder / "clock"
    clock.write_text(f"{-2 * DAYS}")
    struck.start()
    struck.strike("middle", cancelled)
    clock.write_text(f"{2 * DAYS}")
    struck.finish()
    clock.unlink()
    for number, path in enumerate(sorted((struck.box.folder / "results").rglob("*"))):
        date = time.time() + (-1) ** number * 2 * DAYS
        os.utime(path, (date, date))
    assert struck.box.run(struck.target) == 0, struck.box.log()
    assert "Nothing to do" in struck.box.log()
    struck.box.forget(GRADES)
    assert struck.box.run(f"{GRADES}/grades.parquet") == 0, struck.box.log()
    assert struck.box.results(GRADES) == struck.local.results(GRADES)
