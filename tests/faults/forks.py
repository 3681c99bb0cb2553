"""A process that has imported the packages and forks pytest: a script of its own, so that nothing of the
project is imported ahead of the copy under trial.

It reads one job per line as JSON (tree, arguments, log, limit) and answers with one line (status, seconds).
"""

import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress

AHEAD = (
    "numpy",
    "polars",
    "pydantic",
    "tyro",
    "yaml",
    "jinja2",
    "hypothesis",
    "pytest",
    "torch",
    "transformers.models.llama.modeling_llama",
    "transformers.models.auto.modeling_auto",
    "accelerate.utils.memory",
    "datasets",
    "trl.trainer.sft_trainer",
    "trl.trainer.reward_trainer",
    "trl.trainer.dpo_trainer",
)
"""What is slow to import, where the environment has it."""


def run(tree: str, arguments: list[str], log: str) -> None:
    """In a fork: pytest in a tree, its words in `log`; its exit status is the fork's."""
    os.setsid()
    file = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(tree)
    os.environ["PYTHONPATH"] = tree
    sys.path.insert(0, tree)
    import pytest
    from hypothesis import Phase, settings

    # That an example fails is enough: none is made smaller.
    settings.register_profile("faults", phases=[Phase.explicit, Phase.generate])
    settings.load_profile("faults")
    status = 3
    try:
        status = int(pytest.main(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def trial(tree: str, arguments: list[str], log: str, limit: float) -> dict:
    """Fork, and wait so many seconds at most: pytest's exit status (null: not in time) and the seconds."""
    begun = time.monotonic()
    fork = os.fork()
    if not fork:
        run(tree, arguments, log)
    status, waited = None, 0
    while not waited and time.monotonic() - begun < limit:
        time.sleep(0.02)
        waited, ended = os.waitpid(fork, os.WNOHANG)
        status = os.waitstatus_to_exitcode(ended) if waited else None
    with suppress(ProcessLookupError):  # the processes that tests left, too
        os.killpg(fork, signal.SIGKILL)
    if not waited:
        os.waitpid(fork, 0)
    return {"status": status, "seconds": time.monotonic() - begun}


if __name__ == "__main__":
    del sys.path[0]
    for module in AHEAD:
        with suppress(ImportError):
            importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(trial(**json.loads(line))), flush=True)
