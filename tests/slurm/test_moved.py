"""A folder is moved while a job of its run waits: the job is the next run's no more, nor anybody else's."""

import shutil
import subprocess
import sys

import pytest

from tests.slurm.many import FAST
from tests.workflow.project import ROOT

pytestmark = pytest.mark.campaign

SNAKEFILE = """
import os
from pathlib import Path
from scripts.lib.errors import one_line
from scripts.lib.process.cli import SNAPSHOT
from scripts.lib.runs import lock, plugin

plugin.install()
with one_line():
    if not workflow.is_main_process:
        lock.belong()


onstart:
    lock.join()
    os.environ[SNAPSHOT] = str(Path("Snakefile").absolute())
    plugin.take_over(workflow.dag)


rule short:
    output:
        "out.txt",
    resources:
        gpu=1,
    shell:
        "echo $SLURM_JOB_ID >> started; touch {output}"
"""


@pytest.fixture
def moved(cluster, tmp_path):
    """Where a killed run's folder lies now, and the number of its job, which waits for the old place."""
    folder = tmp_path / "run"
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "slurm").symlink_to("profiles/slurm")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    (folder / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    cluster("scontrol", "update", "partitionname=h100", "state=down")
    run = start(cluster, folder)
    cluster.wait_for(lambda: of(cluster, folder), 300, "no job")
    run.kill()
    run.wait()
    [number] = of(cluster, folder)
    yield folder.rename(tmp_path / "moved"), number
    cluster("scontrol", "update", "partitionname=h100", "state=up")


def start(cluster, folder):
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--latency-wait", "5", "--nolock"]
    command += ["--slurm-init-seconds-before-status-checks", "2", "--jobs", "1"]
    environment = cluster.environment | {"PYTHONPATH": str(FAST)}
    return subprocess.Popen(command, cwd=folder, env=environment)


def of(cluster, folder, *states: str) -> list[str]:
    """Numbers of the jobs that were submitted from a folder, a path that need not be there any more."""
    return [job["id"] for job in cluster.jobs(*states) if job["folder"] == str(folder)]


def test_the_next_run_ends_a_job_that_waits_for_the_old_place(cluster, moved):
    folder, number = moved
    run = start(cluster, folder)
    cluster.wait_for(lambda: of(cluster, folder), 300, "no second job")
    cluster("scontrol", "update", "partitionname=h100", "state=up")
    assert run.wait(1800) == 0
    assert (folder / "started").read_text(encoding="utf-8").split() == of(cluster, folder)
    assert number in {job["id"] for job in cluster.jobs("CANCELLED")}


def test_a_job_that_finds_a_fresh_clone_in_the_old_place_ends_in_one_line(cluster, moved):
    folder, number = moved
    clone = folder.with_name("run")
    shutil.copytree(
        folder, clone, symlinks=True, ignore=shutil.ignore_patterns(".snakemake", ".redistill-id")
    )
    cluster("scontrol", "update", "partitionname=h100", "state=up")
    cluster.wait_for(
        lambda: number not in of(cluster, clone, "PENDING", "RUNNING"), 300, "the job does not end"
    )
    said = (clone / f"logs/slurm/rule_short/{number}.log").read_text(encoding="utf-8").splitlines()
    words = "is not the folder that this job was submitted from, which has been moved; run again there"
    assert f"error: {clone} {words}" in said
    assert {path.name for path in clone.iterdir()} == {"Snakefile", "logs", "profiles", "scripts", "slurm"}
