"""Jobs that hold fewer GPUs than the config gives them: a machine's limit (`--resources gpu=N`) cuts `gpu`,
`gpus_wanted` stays.

A training then takes its updates in more steps; what samples a model that lies on several GPUs cannot be cut.
"""

from collections.abc import Mapping
from typing import Any


def processes(wanted: int, held: int, nodes: int = 1) -> int:
    """Processes that a training takes for those of `wanted` GPUs, where it holds `held`: so many that they
    share an update, and lie on the nodes, evenly."""
    return max(
        count
        for count in range(1, wanted + 1)
        if wanted % count == 0 and count <= max(held, 1) and (count == 1 or count % nodes == 0)
    )


def planned_on(rule: str, asked: Mapping[str, Any]) -> tuple[int, float]:
    """GPUs that a job is to work on by its resources, and how many times as long as its `expected` and
    `at_most` say: a training on what it holds, any other job on what it wants. Without a GPU at hand (`gpu`
    0) both work on CPUs, for which nothing is planned."""
    held, wanted = int(asked.get("gpu") or 0), int(asked.get("gpus_wanted") or 0)
    if not held or wanted <= held:
        return held, 1
    return (held, wanted / processes(wanted, held)) if rule.startswith("train_") else (wanted, 1)
