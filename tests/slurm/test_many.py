"""Many short steps, grouped: none is lost, none runs twice, and what one costs. REDISTILL_MANY_JOBS=200
measures more of them."""

import math
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest

from tests.slurm.box import HERE
from tests.workflow.project import ROOT

pytestmark = pytest.mark.campaign

JOBS = int(os.environ.get("REDISTILL_MANY_JOBS", "8"))
SNAKEFILE = """
from scripts.lib.runs import plugin

plugin.install()


rule all:
    input:
        expand("out/{{number}}.txt", number=range({jobs})),


rule short:
    output:
        "out/{{number}}.txt",
    shell:
        "echo $SLURM_JOB_ID >> {{output}}"
"""
TOGETHER = 25
"""Steps that go to SLURM as one job."""


def test_many_short_jobs(cluster, tmp_path):
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / "slurm").symlink_to("profiles/slurm")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(jobs=JOBS))
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--latency-wait", "5"]
    command += ["--slurm-init-seconds-before-status-checks", "2", "--jobs", "200", "--quiet", "all"]
    command += ["--groups", "short=short", "--group-components", f"short={TOGETHER}"]
    began, before = time.monotonic(), {job["id"] for job in cluster.jobs()}
    environment = cluster.environment | {"PYTHONPATH": str(HERE / "fast")}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60 + 30 * JOBS
    )
    seconds = time.monotonic() - began
    assert run.returncode == 0, run.stdout + run.stderr
    told = [(tmp_path / f"out/{number}.txt").read_text().split() for number in range(JOBS)]
    assert all(len(each) == 1 for each in told), "a job ran twice"
    jobs = [job for job in cluster.jobs() if job["id"] not in before]
    assert {job["id"] for job in jobs} == {each[0] for each in told}
    assert len(jobs) == math.ceil(JOBS / TOGETHER)
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"\n{JOBS} jobs in {seconds:.0f} s: {seconds / JOBS:.1f} s a job; Snakemake itself "
        f"{used.ru_utime:.0f} CPU-s"
    )
