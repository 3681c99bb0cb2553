"""`accelerate launch` for our trainers: signals reach every process in time, and out of memory starts them
again.

Usage: python -m scripts.launch.launch --num_processes 4 [flags of accelerate launch] -m
scripts.train.train_ppo [flags]
"""

import os
import signal
import sys

from scripts.lib.process.stop import RESTART

GRACE = "110"
"""Seconds that processes have to save after a signal, before they are killed; SLURM gives 120
(profiles/slurm)."""
ONE_NODE = ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
ONE_NODE += ["--main_process_port", "0"]


def main(arguments: list[str]) -> int:
    """Launch until all processes are done, or one fails for good; returns the exit code.

    A process that ran out of memory has noted a smaller micro-batch in the state folder:
    all start again from the last checkpoint. That ends by itself, because a step that cannot take less fails
    with a word about it.
    """
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", GRACE)
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    while True:
        try:
            launch_command(launch_command_parser().parse_args([*ONE_NODE, *arguments]))
            return 0
        except SignalException as told:
            return 128 + told.sigval
        except ChildFailedError as failed:
            codes = [failure.exitcode for failure in failed.failures.values()]
            if RESTART not in codes:
                return next((code for code in codes if code > 0), 1)
            print("launch: all processes start again from the last checkpoint", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
