"""What the rules share: the checked config, names of paths, interpreters and the flags of a config block."""

import gc
import os
import re
import sys
from pathlib import Path

from snakemake.persistence import PersistenceBase
from snakemake.settings.types import DeploymentMethod

from scripts.launch import forkserver
from scripts.lib.workflow.fingerprint import fingerprint
from scripts.lib.config.check import parse as check_config, rows
from scripts.lib.config.models import Pretraining
from scripts.lib.config.whole import used
from scripts.lib.workflow.costs import Cost, Costs, training_gpus
from scripts.lib.errors import UserError
from scripts.lib.process.cli import GARBAGE
from scripts.lib.workflow.layout import Layout

gc.set_threshold(*GARBAGE)

try:
    settings = check_config(config)
    studies = {study: rows(settings, study) for study in settings.studies}
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

layout = Layout(settings)
costs = Costs(settings)
world_datasets = [name for name, block in settings.datasets.items() if block.world]
judged_datasets = [name for name in settings.datasets if layout.judged(name)]
voted_datasets = [name for name in settings.datasets if not layout.judged(name)]
trained_models = [name for name, block in settings.models.items() if isinstance(block, Pretraining)]


def interpreter(environment, fork=False):
    """The Python of an environment: its own under `--sdm conda`, else the virtual environment beside the Snakefile

    With `fork`, steps are forked by the server that `scripts.commands.run` may have started for them.
    """
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        return "python"
    path = Path(environment, "bin", "python")
    if not path.exists():
        return sys.executable
    return f"{path} -m scripts.launch.forkserver" if fork and forkserver.SOCKET in os.environ else str(path)


# A step that SLURM asks to end has the time that the profile gives it. Without the trap bash would die of SIGTERM at once,
# Snakemake would take the step for failed, and SLURM would kill it within seconds.
shell.prefix("set -euo pipefail; trap : TERM; ")

driver = interpreter(".venv")
gpu = interpreter(".venv-gpu", fork=True)
evaluation = interpreter(".venv-eval")


def names(wildcards):
    """Wildcards as a plain dict, the seed a number"""
    found = dict(wildcards.items())
    return found | {"seed": int(found["seed"])} if "seed" in found else found


def one_of(names):
    """A wildcard constraint: exactly these names"""
    return "|".join(map(re.escape, names)) or "no-such-name"


def flag(key, value):
    """One key of a config block as a command-line flag"""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    if isinstance(value, list):
        return f"--{name} " + " ".join(map(str, value))
    return f"--{name} {value}"


def flags(block, *, only=None, without=()):
    """A config block as the flags of a step; nulls are left out"""
    values = block.model_dump(mode="json")
    keys = only or [key for key in values if key not in without]
    return " ".join(flag(key, values[key]) for key in keys if values[key] not in (None, []))


def optional(name, value):
    """A flag for a value that may be missing"""
    return f"--{name} {value}" if value is not None else ""


def runs_on(block):
    """How a model is run: engine, precision and batch; of a server, which"""
    local = flags(block, only=["engine", "dtype", "batch_size", "tensor_parallel_size", "chat"])
    return f"{local} {served(block, only=SERVER)}".strip()


SERVER = ["base_url", "identity"]


def pace(block):
    """How fast a server is asked and what it may cost; as a param of `output` it runs nothing again when it changes"""
    return served(block, without=SERVER)


def served(block, **which):
    """The `server` block of a teacher as flags, "" where it has none"""
    server = getattr(block, "server", None)
    return re.sub("(^| )--", r"\1--server.", flags(server, **which)) if server else ""


def needs(rule):
    """What a rule's jobs ask for, by their wildcards and the attempt (scripts/lib/workflow/costs.py)"""

    def part(key):
        return lambda wildcards, attempt: costs.of(rule, dict(wildcards.items())).request(
            attempt, settings.max_hours
        )[key]

    return {key: part(key) for key in Cost().request(1, 1)}


def shards(rule, w):
    """The ledgers of a sampling step's finished shards; none where it is one job"""
    ledger = str(getattr(rules, f"{rule}_shard").output.ledger)
    names = dict(w.items())
    return [ledger.format(**names, shard=shard) for shard in layout.shards(names, costs.shards(rule, names))]


def written(input, output):
    """What a sampling step writes: its samples, of shards put together"""
    gathered = f" --shards {input.shards}" if input.shards else ""
    return f"--output {output[0]}{gathered}"


def shard_of(w):
    """What a shard writes into the store"""
    return f"--shard {Path(w.shard).name}"


def forget_shards():
    """Keep shards out of Snakemake's record of inputs, which leaves out pipes and services alike

    In how many jobs a step was sampled is no part of what came out, so another number of them must run nothing again.
    """
    recorded = PersistenceBase._input
    PersistenceBase._input = lambda self, job: [
        path for path in recorded(self, job) if not SHARD.search(path)
    ]


SHARD = re.compile(r"/shards/[0-9a-f]{8}/\d+-of-\d+\.json$")
forget_shards()


def present(*paths):
    """The paths that are not None"""
    return [path for path in paths if path is not None]


wildcard_constraints:
    dataset="[^/]+",
    teacher="[^/]+",
    student="[^/]+",
    variant="[^/]+",
    reward="[^/]+",
    warmup="[^/]+",
    benchmark="[^/]+",
    model="[^/]+",
    study="[^/]+",
    seed=r"\d+",
    shard=r"[0-9a-f]{8}/\d+-of-\d+",
