"""A run of many short steps on the throwaway cluster, alone or grouped into fewer jobs, and what it took."""

import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.workflow.project import ROOT

FAST = Path(__file__).parent / "fast"
SNAKEFILE = """
from scripts.lib.runs import plugin

plugin.install()


rule all:
    input:
        expand("out/{{number}}.txt", number=range({steps})),


rule short:
    output:
        "out/{{number}}.txt",
    shell:
        "echo $SLURM_JOB_ID >> {{output}}"
"""


@dataclass(frozen=True)
class Many:
    """A finished run: its seconds, those of a processor that its driver took, and the jobs that each step
    ran in."""

    seconds: float
    driver: float
    ran_in: list[list[str]]


def run(cluster: Cluster, folder: Path, steps: int, together: int) -> Many:
    """Run so many steps that do nothing, `together` of them in a job. Raises RuntimeError, with its words,
    where that fails."""
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "slurm").symlink_to("profiles/slurm")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    (folder / "Snakefile").write_text(SNAKEFILE.format(steps=steps), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--latency-wait", "5"]
    command += ["--slurm-init-seconds-before-status-checks", "2", "--jobs", str(steps), "--quiet", "all"]
    command += ["--groups", "short=short", "--group-components", f"short={together}"] * (together > 1)
    environment = cluster.environment | {"PYTHONPATH": str(FAST)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600 + 30 * steps
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    files = (folder / f"out/{number}.txt" for number in range(steps))
    return Many(seconds, used, [file.read_text(encoding="utf-8").split() for file in files])
