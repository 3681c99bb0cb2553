"""`accelerate launch` for our trainers: signals reach every process in time, and out of memory starts them
again.

Usage: python -m scripts.launch.launch --num_processes 4 [flags of accelerate launch] -m
scripts.train.train_ppo [flags]. With `--num_machines 2` it is called on each of two nodes of a SLURM job
(scripts/launch/nodes.py).
"""

import os
import signal
import subprocess
import sys

from scripts.lib.process.nodes import first_address
from scripts.lib.process.stop import RESTART

GRACE = "110"
"""Seconds that processes have to save after a signal, before they are killed; SLURM gives 120
(profiles/slurm)."""
ONE_NODE = ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
ONE_NODE += ["--main_process_port", "0"]
PORTS = 20_000
"""The first of the ports at which the processes of several nodes meet: below those that Linux gives away."""


def main(arguments: list[str]) -> int:
    """Launch until all processes are done, or one fails for good; returns the exit code.

    A process that ran out of memory has noted a smaller micro-batch in the state folder:
    all start again from the last checkpoint. That ends by itself, because a step that cannot take less fails
    with a word about it. Of several nodes, whose processes only `scripts.launch.nodes` can start again,
    RESTART is returned, and the first to fail ends the others.
    """
    machines = int(arguments[arguments.index("--num_machines") + 1]) if "--num_machines" in arguments else 1
    meeting = rendezvous(machines) if machines > 1 else []
    signal.signal(signal.SIGUSR2, lambda *_: None)
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", GRACE)
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    while True:
        try:
            launch_command(launch_command_parser().parse_args([*ONE_NODE, *meeting, *arguments]))
            return 0
        except SignalException as told:
            return 128 + told.sigval
        except ChildFailedError as failed:
            codes = [failure.exitcode for failure in failed.failures.values()]
            if machines > 1:
                end_step()
                if RESTART in codes:
                    return RESTART
            if RESTART not in codes:
                return next((code for code in codes if code > 0), 1)
            print("launch: all processes start again from the last checkpoint", file=sys.stderr, flush=True)


def rendezvous(machines: int) -> list[str]:
    """Where processes of several nodes meet, as flags of `accelerate launch`: on the first node, at a port
    that no other step of a job there has."""
    port = PORTS + (int(os.environ["SLURM_JOB_ID"]) + 97 * int(os.environ["SLURM_STEP_ID"])) % 10_000
    place = ["--main_process_ip", first_address(machines), "--main_process_port", str(port)]
    return ["--machine_rank", os.environ["SLURM_NODEID"], *place]


def end_step() -> None:
    """End the processes of every node: those that wait for one that is gone would wait for minutes.

    By a signal that says nothing of saving, and that launchers outlive: their exit codes tell what happened.
    """
    step = f"{os.environ['SLURM_JOB_ID']}.{os.environ['SLURM_STEP_ID']}"
    subprocess.run(["scancel", "--signal=USR2", step], check=False)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Python gives its own handlers up before it ends, and another node's launcher may end the step just then.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    raise SystemExit(code)
