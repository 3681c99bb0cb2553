"""What could never run is refused in one line before the first job is submitted."""

import os
import subprocess
import sys

import pytest

from tests.slurm.box import CONFIG, REPORT, Box

pytestmark = pytest.mark.slow

PROFILE, PARTITIONS = "profiles/slurm/config.yaml", "profiles/slurm/partitions.yaml"
CASES = {
    "partition": ((PARTITIONS, "h100:", "a100:"), [],
        "partition 'a100' does not exist; this cluster has cheap, cpu, h100, urgent"),
    "GPU model": ((PROFILE, "gpu_model: h100", "gpu_model: a100"), [],
        "GPU model 'a100' is not in partition h100, which has h100"),
    "GPUs in the profile": ((CONFIG[1], "gpus: 2", "gpus: 40\n    tensor_parallel_size: 40"), [],
        "5 nodes cannot share 32 GPUs evenly, the most that the profile's `resources: gpu` lets"),
    "GPUs of a node": (
        None,
        ["--set-resources", "sample_teacher:gpu=16"],
        "rule sample_teacher: asks for 16 GPUs on one node, the largest of partition h100 has 8: "
        "lower tensor_parallel_size",
    ),
    "time limit": (None, ["--set-resources", "train_ppo:runtime=3000"],
        "rule train_ppo: asks for 50 h, partition h100 allows 48 h"),
    "constraint": ((PROFILE, "# qos: normal", "constraint: infiniband"), [],
        "SLURM says 'allocation failure: Invalid feature"),
    "constraint of other nodes": ((PROFILE, "# qos: normal", "constraint: nvlink"), [],
        "SLURM says 'allocation failure: Requested node configuration is not available"),
    "reservation": ((PROFILE, "slurm-requeue: true", "slurm-requeue: true\nslurm-reservation: course"), [],
        "SLURM says 'allocation failure: Requested reservation is invalid'"),
    "flag for GPUs": ((PROFILE, "gpu_flag: gpus", "gpu_flag: gpu"), [],
        "gpu_flag 'gpu' is none of gpus, gpus-per-node, gres: mend the profile"),
    "memory": (None, ["--set-resources", "label:mem_mb=900000"],
        "rule label: asks for 900,000 MB of memory, the largest node of partition cpu"),
    "account": ((PROFILE, "# slurm_account: abc123", "slurm_account: abc123"), [],
        "SLURM says 'allocation failure: Invalid account"),
    "QoS": ((PROFILE, "# qos: normal", "qos: short"), [],
        "SLURM says 'allocation failure: Invalid qos"),
    "QoS of a rule": (None, ["--set-resources", "train_ppo:qos=short"],
        "rule train_ppo: sbatch "),
    "budget": (None, ["--max-gpu-hours", "0.5"],
        "GPU-hours at most, the budget is 0.5: plan less, or raise --max-gpu-hours"),
}  # fmt: skip


@pytest.fixture(scope="module")
def refused(cluster, environments, tmp_path_factory):
    """What every case came to, all started at once: exit code and output; and the jobs submitted
    meanwhile."""
    before, runs = len(cluster.jobs()), {}
    for name, (edit, arguments, _) in CASES.items():
        box = Box(tmp_path_factory.mktemp("bad") / "box", cluster)
        if edit:
            box.edit(*edit)
        runs[name] = (box, box.start(REPORT, *arguments))
    found = {name: (run.wait(1800), box.log()) for name, (box, run) in runs.items()}
    return found | {"submitted": len(cluster.jobs()) - before}


@pytest.mark.parametrize("name", CASES)
def test_what_could_never_run_is_refused_in_one_line(refused, name):
    code, log = refused[name]
    assert code == 2, log
    assert log.splitlines()[-1].startswith("error: ")
    assert CASES[name][-1] in log.splitlines()[-1]
    assert refused["submitted"] == 0


def test_an_account_that_the_site_knows(cluster, environments, tmp_path):
    box = Box(tmp_path / "box", cluster)
    box.edit(PROFILE, "# slurm_account: abc123", "slurm_account: proj123")
    plan = [
        sys.executable,
        "-m",
        "scripts.commands.plan",
        "--profile",
        "slurm",
        "--configfile",
        *CONFIG,
        "--",
        REPORT,
    ]
    run = subprocess.run(
        plan, cwd=box.folder, env=cluster.environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_no_slurm_on_the_machine(environments, tmp_path):
    box = Box(tmp_path / "box")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "scripts.commands.run",
            "--profile",
            "slurm",
            "--configfile",
            *CONFIG,
            "--",
            REPORT,
        ],
        cwd=box.folder,
        env=os.environ | {"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith(
        "error: no SLURM on this machine: sbatch, squeue, scancel, scontrol, srun not found; run on a login"
    )
    assert len(run.stderr.splitlines()) == 1
