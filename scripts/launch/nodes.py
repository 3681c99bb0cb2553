"""Start a training on every node of its SLURM job, and on all of them again where memory ran out on one.

Usage: python -m scripts.launch.nodes --nodes 2 --cpus 64 --gpus 8 -m scripts.launch.launch
--num_machines 2 --num_processes 16 -m scripts.train.train_ppo [flags]
"""

import argparse
import signal
import sys

from scripts.lib.errors import one_line
from scripts.lib.process import nodes
from scripts.lib.process.stop import RESTART, SIGNALS


def main(arguments: list[str]) -> int:
    """Run until all nodes are done, or one fails for good; returns the highest exit code of a node.

    SLURM itself tells the processes of every node to end; this one waits for them.
    """
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--cpus", type=int, required=True, help="of each node")
    parser.add_argument("--gpus", type=int, required=True, help="of each node")
    given, command = parser.parse_known_args(arguments)
    told: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda number, _: told.append(number))
    while True:
        code = nodes.start(given.nodes, given.cpus, given.gpus, [sys.executable, *command]).wait()
        if told:
            return 128 + told[0]
        if code != RESTART:
            return code
        print("launch: all nodes start again from the last checkpoint", file=sys.stderr, flush=True)


if __name__ == "__main__":
    with one_line():
        raise SystemExit(main(sys.argv[1:]))
