"""vLLM over several nodes of a SLURM job, by its own processes (`nnodes`, `node_rank`): no Ray is needed.

The engine runs on the first node and starts its workers on the others: `scripts.launch.vllm_node`.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.lib.process.nodes import first_address, free_port, start


@contextmanager
def joined(nodes: int, options: dict) -> Iterator[dict]:
    """Start the workers of an engine with these options (keyword arguments of `vllm.LLM`) on the other nodes,
    and end them after it; yields the options that join the engine to them.

    Where they end before it, the engine would wait for them for ever: this process is told to end.
    """
    place = {
        "distributed_executor_backend": "mp",
        "nnodes": nodes,
        "master_addr": first_address(nodes),
        "master_port": free_port(),
    }
    command = [sys.executable, "-m", "scripts.launch.vllm_node", json.dumps(options | place)]
    gpus = options["tensor_parallel_size"] * options["pipeline_parallel_size"] // nodes
    others = start(nodes - 1, int(os.environ["SLURM_CPUS_PER_TASK"]), gpus, command, first=1)
    over = threading.Event()

    def watch() -> None:
        code = others.wait()
        if not over.is_set():
            print(f"vLLM ended on another node (exit code {code}), see above", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield place
    finally:
        over.set()
        others.terminate()
        others.wait()
