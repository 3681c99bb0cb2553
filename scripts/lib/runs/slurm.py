"""What SLURM says of itself, and which jobs could never run there:
asked before the first one is submitted."""

import math
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import yaml

from scripts.lib.errors import UserError
from scripts.lib.process.linux import leads_here
from scripts.lib.process.progress import duration

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "srun")
LONGEST_LOOK = 200
"""Seconds between two looks of Snakemake's plugin 2.8.0 at its jobs: 180 at most, and some to ask."""
DOWN = re.compile("DOWN|DRAIN|FAIL|MAINT")
"""SLURM's words for a node that starts no job now."""
LIMIT = re.compile(r"\b(?:QOS|Assoc)(?:Grp|Max|Min)\w+")
"""SLURM's names of limits of a QoS or an account, in what it says of a job that it refuses."""
POLICY = "violates accounting/QOS policy"
"""Its words for all of them."""
LIVING = "PENDING,RUNNING,SUSPENDED,CONFIGURING,COMPLETING,REQUEUED,REQUEUE_HOLD,RESIZING,STAGE_OUT"


@dataclass(frozen=True)
class Node:
    """A node: CPUs, memory in MB, GPUs by model ("" where SLURM names none), SLURM's word for its state."""

    name: str
    cpus: int
    mem_mb: int
    gpus: dict[str, int]
    state: str = "IDLE"


@dataclass(frozen=True)
class Partition:
    """A partition: its time limit in minutes (infinite: none), its nodes, SLURM's word for its state, the
    memory in MB that a job may have on a node (infinite: all of it), and the QoS of its own, if any."""

    name: str
    minutes: float
    nodes: tuple[Node, ...]
    state: str = "UP"
    mem_mb: float = math.inf
    qos: str = ""


@dataclass(frozen=True)
class Job:
    """What one Snakemake job asks of SLURM; `command`: the flags of sbatch that say it."""

    rule: str
    partition: str
    gpus: int
    model: str
    minutes: float
    mem_mb: int
    cpus: int
    command: tuple[str, ...] = ()
    nodes: int = 1


def ask(*command: str) -> str:
    """Run a SLURM command. Raises UserError with SLURM's own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{command[0]}: SLURM's controller does not answer within a minute; try again later"
        ) from None
    if done.returncode:
        raise UserError(f"{' '.join(command)}: SLURM says {complaint(done.stderr)}")
    return done.stdout


def complaint(stderr: str) -> str:
    """The last line of what a SLURM command complains of, quoted, and the limit that it names, if any."""
    line = (stderr.strip().splitlines() or ["failed without a word"])[-1]
    return f"{line!r}" + (f" ({named[0]})" if (named := LIMIT.search(stderr)) else "")


def require() -> None:
    """Raise UserError where there is no SLURM."""
    absent = [name for name in COMMANDS if not shutil.which(name)]
    if absent:
        raise UserError(
            f"no SLURM on this machine: {', '.join(absent)} not found; run on a login node, "
            "or use --profile profiles/local"
        )


def partitions() -> dict[str, Partition]:
    """The partitions of this cluster, by name."""
    nodes = {}
    for record in _records(ask("scontrol", "show", "nodes", "-o")):
        nodes[record["NodeName"]] = Node(
            record["NodeName"],
            int(record["CPUTot"]),
            int(record["RealMemory"]),
            _gpus(record.get("Gres", "")),
            record.get("State", "IDLE"),
        )
    members: dict[str, list[str]] = {}
    for line in ask("sinfo", "-h", "-N", "-o", "%R %N").splitlines():
        partition, node = line.split()
        members.setdefault(partition, []).append(node)
    return {
        record["PartitionName"]: Partition(
            record["PartitionName"],
            minutes(record["MaxTime"]),
            tuple(nodes[name] for name in members.get(record["PartitionName"], []) if name in nodes),
            record.get("State", "UP"),
            float(most) if (most := record.get("MaxMemPerNode", "")).isdigit() else math.inf,
            record.get("QoS", ""),
        )
        for record in _records(ask("scontrol", "show", "partition", "-o"))
    }


def check(jobs: Iterable[Job], cluster: dict[str, Partition]) -> None:
    """Raise UserError, naming the rule and the mend, for the first job that this cluster can never run."""
    for job in sorted(set(jobs), key=lambda job: (job.rule, job.partition, job.gpus, job.minutes)):
        where = f"rule {job.rule}"
        if job.partition not in cluster:
            raise UserError(
                f"{where}: partition {job.partition!r} does not exist; this cluster has "
                f"{', '.join(sorted(cluster))}: mend the profile's partitions.yaml"
            )
        partition = cluster[job.partition]
        if job.minutes > partition.minutes:
            raise UserError(
                f"{where}: asks for {duration(60 * job.minutes)}, partition {partition.name} allows "
                f"{duration(60 * partition.minutes)}: lower max_hours in the config (what it cuts off "
                "goes on where it stopped)"
            )
        models = sorted({model for node in partition.nodes for model in node.gpus})
        having = [node for node in partition.nodes if _has(node, job)]
        if job.gpus and job.model and not any(job.model in node.gpus for node in partition.nodes):
            raise UserError(
                f"{where}: GPU model {job.model!r} is not in partition {partition.name}, which has "
                f"{', '.join(model or 'GPUs without a model' for model in models) or 'none'}: "
                + ("delete" if models == [""] else "mend")
                + " gpu_model in the profile"
            )
        if job.gpus % job.nodes:
            raise UserError(
                f"{where}: {job.nodes} nodes cannot share {job.gpus} GPUs evenly, the most that the "
                "profile's `resources: gpu` lets run at once: raise it"
            )
        if job.gpus and not having:
            most = max((sum(node.gpus.values()) for node in partition.nodes), default=0)
            raise UserError(
                f"{where}: asks for {_share(job)} GPUs on one node, the largest of partition "
                f"{partition.name} has {most}: lower tensor_parallel_size or gpus in the config"
            )
        if len(having) < job.nodes:
            raise UserError(
                f"{where}: asks for {job.nodes} nodes of {_share(job)} GPUs, partition {partition.name} has "
                f"{len(having)} of them: lower gpus in the config, or take a smaller model"
            )
        for key, unit in (("mem_mb", "MB of memory"), ("cpus", "CPUs")):
            limit = partition.mem_mb if key == "mem_mb" else math.inf
            largest = min(limit, max((getattr(node, key) for node in having), default=0))
            if getattr(job, key) > largest:
                raise UserError(
                    f"{where}: asks for {getattr(job, key):,} {unit}, the largest node of partition "
                    f"{partition.name} has {largest:,.0f}: choose another partition in the profile"
                )


def rehearse(jobs: Iterable[Job], cluster: dict[str, Partition]) -> None:
    """Raise UserError with SLURM's own words for the first job that it would refuse: accounts, constraints,
    reservations, limits, a site's own rules.

    `sbatch --test-only` submits nothing. What is only not available now, in a partition with a node that is
    down, or for the jobs that are in the queue already, is no reason to refuse.
    """
    for command, job in sorted({job.command: job for job in jobs}.items()):
        try:
            ask("sbatch", "--test-only", *command, "--wrap=true")
        except UserError as error:
            down = any(DOWN.search(node.state) for node in cluster[job.partition].nodes)
            if not (down and "not available" in str(error)) and not crowded(str(error)):
                raise UserError(f"rule {job.rule}: {error}: mend the profile") from None


def crowded(words: str) -> bool:
    """Whether SLURM refuses a job for those of this user, or account, that are in its queue: for a submit
    limit, or one without a name while there are any. Raises UserError where SLURM does not answer."""
    if named := LIMIT.search(words):
        return "Submit" in named[0]
    return POLICY in words and bool(ask("squeue", "-h", "--me", "-o", "%i").strip())


def closed(jobs: Iterable[Job], cluster: dict[str, Partition]) -> list[str]:
    """A line for each partition of these jobs that starts none now, in SLURM's words for its state."""
    found = []
    for partition in (cluster[name] for name in sorted({job.partition for job in jobs})):
        down = [node for node in partition.nodes if DOWN.search(node.state)]
        if partition.state != "UP":
            found.append(f"partition {partition.name} is {partition.state}: its jobs wait until it is up")
        elif len(down) == len(partition.nodes):
            states = ", ".join(sorted({node.state for node in down})) or "none"
            found.append(f"partition {partition.name} has no node at work ({states}): its jobs wait for one")
    return found


def remembers(status_command: str) -> None:
    """Raise UserError where SLURM forgets ended jobs before Snakemake's plugin, which looks every 180 s at
    most, has seen them."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", ask("scontrol", "show", "config"), re.MULTILINE)
    if status_command == "squeue" and found and int(found[1]) < LONGEST_LOOK:
        raise UserError(
            f"this SLURM forgets ended jobs after {found[1]} s (MinJobAge), before Snakemake has seen that "
            "they ended: set slurm-status-command: sacct in the profile"
        )


def _share(job: Job) -> int:
    """GPUs of each of a job's nodes."""
    return math.ceil(job.gpus / job.nodes)


def _has(node: Node, job: Job) -> bool:
    return (node.gpus.get(job.model, 0) if job.model else sum(node.gpus.values())) >= _share(job)


def choose(resources: dict, partition_file: str | None) -> str:
    """The partition of a job, as the plugin will choose it: its own resource, else the best of the profile's
    file."""
    if resources.get("slurm_partition"):
        return str(resources["slurm_partition"])
    if partition_file:
        from snakemake_executor_plugin_slurm.partitions import read_partition_file

        job = SimpleNamespace(resources=resources, threads=resources.get("_cores", 1), name="job")
        scores = {
            item.name: score
            for item in read_partition_file(Path(partition_file))
            if (score := item.score_job_fit(job)) is not None
        }
        if not scores:
            raise UserError(
                f"{partition_file}: no partition takes a job with {resources.get('gpu', 0)} GPUs; "
                "raise max_gpu of one"
            )
        return max(scores, key=lambda name: scores[name])
    default = [name for name in ask("sinfo", "-h", "-o", "%P").split() if name.endswith("*")]
    return default[0].rstrip("*") if default else ""


def profile(arguments: list[str]) -> dict:
    """The settings of the profile named on a Snakemake command line; empty without one."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--profile":
            folder = Path(value or (arguments[index + 1] if index + 1 < len(arguments) else ""))
            file = folder / "config.yaml"
            return yaml.safe_load(file.read_text()) or {} if file.exists() else {}
    return {}


def is_slurm(arguments: list[str]) -> bool:
    """Whether a Snakemake command line submits to SLURM."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in {"--executor", "-e"}:
            return (value or (arguments + [""])[index + 1]) == "slurm"
    return profile(arguments).get("executor") == "slurm"


def living(run: str) -> dict[str, str]:
    """The jobs that SLURM holds of runs in the folder with this id: what each makes and of what, as its
    comment says (scripts/lib/runs/plugin.py), by number; "" of one whose folder was moved since, to here."""
    text = ask("squeue", "-h", "--me", "-t", LIVING, "-o", "%i|%k|%Z")
    found = {}
    for number, comment, place in (line.split("|", 2) for line in text.splitlines()):
        _, folder, what, *_ = [*comment.split("/"), "", "", ""]
        if folder == run:
            found[number] = what if leads_here(place) else ""
    return found


def end(run: str, jobs: Collection[str], patience: float = 300) -> None:
    """Cancel these jobs of a dead run in the folder with this id, and wait until they are gone."""
    if jobs:
        ask("scancel", *jobs)
    deadline = time.monotonic() + patience
    while left := living(run).keys() & set(jobs):
        if time.monotonic() > deadline:
            raise UserError(
                f"jobs {', '.join(sorted(left))} of an earlier run here do not end; ask the site, or scancel "
                "them"
            )
        time.sleep(1)


def minutes(text: str) -> float:
    """SLURM's time in minutes: "UNLIMITED", "30", "1:30:00", "2-00:00:00"."""
    if text in {"UNLIMITED", "INFINITE", "NONE", "infinite"}:
        return float("inf")
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if days:
        hours, mins, seconds = (parts + [0, 0])[:3]
    elif len(parts) == 1:
        return float(parts[0])
    else:
        hours, mins, seconds = ([0] + parts)[-3:]
    return int(days or 0) * 1440 + hours * 60 + mins + seconds / 60


def _records(text: str) -> list[dict[str, str]]:
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines() if "=" in line]


def _gpus(gres: str) -> dict[str, int]:
    """GPUs by model of "gpu:h100:8(S:0-1),gpu:1g.10gb:7", or "gpu:8"."""
    found: dict[str, int] = {}
    for item in re.sub(r"\(.*?\)", "", gres).split(","):
        name, *rest = item.split(":")
        count = int(rest.pop()) if rest and rest[-1].isdigit() else 1
        if name == "gpu":
            found[":".join(rest)] = found.get(":".join(rest), 0) + count
    return found
