"""What a cluster does to a run, in the middle of sampling and of PPO: the run ends well, with the undisturbed results.

Each fault strikes a copy of a finished run from which one step's results have been taken. Then: the step's results are those of
the undisturbed run, byte for byte; what was paid for before the fault is still there; nothing is paid for twice; no step ever ran
beside itself.
"""

import os
import signal
import subprocess
from pathlib import Path

import polars as pl
import psutil
import pytest

from tests.slurm.box import PPO, SAMPLES, Box

pytestmark = pytest.mark.slow

TARGETS = {SAMPLES: f"{SAMPLES}/samples.parquet", PPO: f"{PPO}/identity.json"}
KEY = ["folder", "prompt_key", "temperature", "index"]


class Case:
    """A run that has to make one step's results again, and how far it is."""

    def __init__(self, local: Box, cluster, folder, what: str) -> None:
        self.cluster, self.what, self.local = cluster, what, local
        self.box = local.copy(folder, cluster)
        self.box.forget(what)
        if what == SAMPLES:
            self.box.forget(str(self.students().relative_to(self.box.folder)))

    def start(self, *arguments: str):
        """Start the run; returns when the step is in the middle of its work, with the run and SLURM's job."""
        before = self.progress()
        run = self.box.start(TARGETS[self.what], *arguments)
        self.box.until(lambda: self.progress() > before or run.poll() is not None, "the middle of the step")
        assert run.poll() is None, self.box.log()
        [job] = self.cluster.jobs("RUNNING")
        return run, job

    def progress(self) -> int:
        """Files that the step has put aside: flushed completions, or checkpoints."""
        return (
            len(self.box.parts())
            if self.what == SAMPLES
            else len([path for path in (self.box.folder / "state/ppo").glob("*/*") if path.name[0] != "."])
        )

    def students(self) -> Path:
        """The store's folder of the warm student's completions."""
        model = self.local.spent(SAMPLES)["model"]
        [folder] = {
            path.parent for path in self.box.parts() if model in (path.parent / "key.json").read_text()
        }
        return folder

    def paid(self) -> pl.DataFrame:
        """Keys of all completions in the store."""
        parts = [
            pl.read_parquet(path, columns=KEY[1:]).with_columns(folder=pl.lit(str(path.parent)))
            for path in sorted(self.box.parts())
        ]
        return pl.concat(parts).select(KEY)

    def finish(self, run, paid: pl.DataFrame) -> None:
        """Wait for the end and hold it against the undisturbed run."""
        assert run.wait(600) == 0, self.box.log()
        theirs, ours = self.local.results(self.what), self.box.results(self.what)
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if ours[name] != theirs[name]] == []
        now = self.paid()
        assert now.is_unique().all(), "a completion was paid for twice"
        assert paid.join(now, on=KEY, how="anti", nulls_equal=True).is_empty(), "a completion was lost"
        assert [word for word in self.box.words() if word["event"] == "double"] == []
        assert self.cluster.jobs("RUNNING", "PENDING") == []

    def hurry(self, run, number: str) -> None:
        """Take away the two minutes that SLURM makes a requeued job wait."""

        def queued() -> bool:
            if number in {job["id"] for job in self.cluster.jobs("PENDING")}:
                self.cluster("scontrol", "update", f"jobid={number}", "starttime=now")
                return True
            return run.poll() is not None

        self.box.until(queued, "the requeued job")


@pytest.fixture
def case(request, local, cluster, tmp_path):
    """The case for the step that a test is parametrised with."""
    case = Case(local, cluster, tmp_path / "box", request.param)
    yield case
    for job in cluster.jobs("RUNNING", "PENDING"):
        cluster("scancel", job["id"])
    cluster.wait_for(lambda: not cluster("squeue", "-h"), 30, "jobs do not end")


def step(*names):
    return pytest.mark.parametrize("case", names, indirect=True, ids=[name.split("/")[1] for name in names])


@step(PPO, SAMPLES)
def test_cancelled_jobs_are_tried_again(case):
    run, job = case.start()
    paid = case.paid()
    case.cluster("scancel", job["id"])
    case.finish(run, paid)
    assert len({word["job"] for word in case.box.words()}) == 2


@step(SAMPLES)
def test_a_job_whose_node_dies_runs_on_another(case):
    run, job = case.start()
    paid = case.paid()
    case.cluster("scontrol", "update", f"nodename={job['node']}", "state=down", "reason=test")
    try:
        case.hurry(run, job["id"])
        case.finish(run, paid)
    finally:
        case.cluster("scontrol", "update", f"nodename={job['node']}", "state=resume")
    assert {word["job"] for word in case.box.words()} == {job["id"]}


@step(PPO)
def test_a_preempted_job_goes_on(case):
    run, job = case.start()
    paid = case.paid()
    everything = ["-p", "urgent", "--exclusive", "--no-requeue", "-w", job["node"], "-o", "/dev/null"]
    case.cluster("sbatch", *everything, "--wrap", "sleep 1")
    case.hurry(run, job["id"])
    case.finish(run, paid)
    assert {word["job"] for word in case.box.words()} == {job["id"]}


@step(SAMPLES)
def test_a_restarted_controller_is_waited_for(case):
    run, job = case.start()
    paid = case.paid()
    case.cluster.stop_controller()
    case.cluster.start_controller()
    case.finish(run, paid)
    assert {word["job"] for word in case.box.words()} == {job["id"]}


@step(PPO, SAMPLES)
def test_a_killed_run_is_taken_up_by_the_next(case):
    run, job = case.start()
    paid = case.paid()
    for process in [*psutil.Process(run.pid).children(recursive=True), psutil.Process(run.pid)]:
        process.kill()
    run.wait()
    assert [item["id"] for item in case.cluster.jobs("RUNNING")] == [job["id"]], "SLURM's job has gone on"
    case.finish(case.box.start(TARGETS[case.what]), paid)
    assert "ended" in case.box.log(1000)


@step(SAMPLES)
def test_an_interrupted_run_leaves_nothing_and_goes_on(case):
    run, _ = case.start()
    paid = case.paid()
    run.send_signal(signal.SIGTERM)
    assert run.wait(120) != 0
    case.cluster.wait_for(lambda: not case.cluster.jobs("RUNNING", "PENDING"), 30, "jobs do not end")
    case.finish(case.box.start(TARGETS[case.what]), paid)


@step(SAMPLES)
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_fails_plainly_and_the_next_call_goes_on(case):
    store = case.box.folder / "store"
    held = {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    pages = sum(-(-len(content) // 4096) for content in held.values())
    size = f"size={(pages + 3) * 4}k"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", store], check=False).returncode:
        pytest.skip("mounting a small file system needs root with the right to mount")
    try:
        for name, content in held.items():
            (store / name).parent.mkdir(parents=True, exist_ok=True)
            (store / name).write_bytes(content)
        assert case.box.run(TARGETS[SAMPLES], "--retries", "0") != 0
        log = next((case.box.folder / "logs/sample_student").rglob("*.log")).read_text()
        assert log.splitlines()[-1].startswith("error: "), log
        paid = case.paid()
        subprocess.run(["mount", "-o", "remount,size=100m", store], check=True)
        case.finish(case.box.start(TARGETS[SAMPLES]), paid)
    finally:
        subprocess.run(["umount", store], check=True)


@step(SAMPLES)
def test_a_truncated_file_of_the_store_costs_its_own_rows(case):
    run = case.box.start(TARGETS[SAMPLES])
    assert run.wait(600) == 0, case.box.log()
    damaged = min(case.students().glob("part-*"))
    rows = pl.read_parquet(damaged).height
    damaged.write_bytes(damaged.read_bytes()[:-100])
    case.box.forget(f"{SAMPLES}/samples.parquet")
    run = case.box.start(TARGETS[SAMPLES])
    assert run.wait(600) == 0, case.box.log()
    assert case.box.spent(SAMPLES)["sampled"] == rows
    case.finish(run, case.paid())
