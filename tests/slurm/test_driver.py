"""A run that is a job of SLURM's itself hands over before its time is up: no job is lost or made twice."""

import pytest

from tests.slurm.box import CONFIG, Box

pytestmark = pytest.mark.campaign

TARGET = "results/queries/dataset=world/seed=0/train.parquet"


@pytest.fixture
def box(cluster, environments, tmp_path):
    """A project, on a cluster whose CPU partition starts nothing; what is left in the queue is cancelled."""
    cluster("scontrol", "update", "partitionname=cpu", "state=down")
    yield Box(tmp_path / "box", cluster)
    cluster("scontrol", "update", "partitionname=cpu", "state=up")
    cluster.clear()


def jobs(box: Box, name: str, *states: str) -> list[str]:
    """Numbers of this folder's jobs whose name begins so."""
    found = [job for job in box.cluster.jobs(*states) if job["folder"] == str(box.folder)]
    return [job["id"] for job in found if job["name"].startswith(name)]


def test_a_driver_hands_over_before_its_time_is_up(box):
    """Its job waits in the queue, under the same number, from the first driver to the second."""
    cluster, wait = box.cluster, ["--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "2"]
    script = [str(box.folder / "profiles/slurm/driver.sh"), *wait, "--configfile", *CONFIG, "--", TARGET]
    cluster.in_folder(box.folder, "sbatch", "-p", "urgent", *script)
    [waiting] = box.until(lambda: jobs(box, "world", "PENDING"), "a job in the queue", 600)
    [driver] = jobs(box, "redistill", "RUNNING")
    cluster("scancel", "--signal=USR1", "--batch", driver)
    [successor] = box.until(lambda: jobs(box, "redistill", "PENDING"), "the successor", 600)
    assert driver != successor and jobs(box, "world", "PENDING") == [waiting]
    cluster("scontrol", "hold", waiting)
    cluster("scontrol", "update", "partitionname=cpu", "state=up")
    log = box.folder / f"redistill-{successor}.log"
    words = f"job {waiting}, which an earlier run has left, goes on"
    box.until(lambda: log.exists() and words in log.read_text(encoding="utf-8"), words, 600)
    cluster("scontrol", "release", waiting)
    box.until(lambda: successor not in jobs(box, "redistill", "PENDING", "RUNNING"), "the end", 600)
    assert "1 of 1 steps (100%) done" in log.read_text(encoding="utf-8")
    assert (box.folder / TARGET).exists()
    assert jobs(box, "world") == [waiting]
