"""The nodes of a SLURM job: a process on each of them, started by `srun`, and where they meet."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence

from scripts.lib.errors import UserError

KEPT = {"SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_CONF"}


def srun(nodes: int, cpus: int, gpus: int, first: int = 0) -> list[str]:
    """The words before a command that start it once on each of so many nodes of this job, from the `first`
    on, with so many CPUs and GPUs on each: by itself a step asks for all GPUs of the job."""
    spread = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", f"--relative={first}"]
    return ["srun", *spread, f"--cpus-per-task={cpus}", f"--gres=gpu:{gpus}", "--unbuffered"]


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what SLURM says of a step: a further `srun` would take it for its flags."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }


def start(nodes: int, cpus: int, gpus: int, command: Sequence[str], first: int = 0) -> subprocess.Popen:
    """Start a command on the nodes of this job. Raises UserError outside of one."""
    _check_job(first + nodes)
    return subprocess.Popen([*srun(nodes, cpus, gpus, first), *command], env=outside(os.environ))


def first_address(nodes: int) -> str:
    """The address of the node from which `srun` started this process, the first of so many. Raises UserError
    where no `srun` did."""
    _check_job(nodes)
    return os.environ["SLURM_LAUNCH_NODE_IPADDR"]


def _check_job(nodes: int) -> None:
    if "SLURM_JOB_ID" not in os.environ:
        raise UserError(
            f"{nodes} nodes are asked for, and this is no SLURM job: run it by --profile slurm, or set "
            "gpus_per_node in the config to the GPUs of this machine"
        )


def free_port() -> int:
    """A port of this node on which nobody listens."""
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]
