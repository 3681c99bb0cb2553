"""The workers of a vLLM engine on a node that is not the engine's: they do as they are told, and end with it.

Usage, by `srun` from the second node on: python -m scripts.launch.vllm_node OPTIONS, the engine's in JSON.
"""

import json
import os
import sys


def main(options: dict) -> None:
    """Work until the engine ends. `options`: keyword arguments of `vllm.LLM`, this node's rank aside."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.executor.multiproc_executor import MultiprocExecutor

    rank = 1 + int(os.environ["SLURM_PROCID"])
    config = EngineArgs(trust_remote_code=False, **options, node_rank=rank).create_engine_config(
        usage_context=UsageContext.LLM_CLASS, headless=True
    )
    MultiprocExecutor(config, monitor_workers=False).start_worker_monitor(inline=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
