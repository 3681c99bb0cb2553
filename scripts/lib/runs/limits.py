"""What the site's accounts and QoS let one job have.

SLURM takes a job that asks for more, and lets it wait for ever, unless its QoS refuses it (DenyOnLimit);
`sbatch --test-only` says nothing of it. Accounts and QoS are known where slurmdbd keeps them.
"""

import getpass
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scripts.lib.errors import UserError
from scripts.lib.process.progress import duration
from scripts.lib.runs.slurm import Job, Partition, ask, minutes

UNITS = {"cpu": "CPUs", "mem": "MB of memory", "node": "nodes", "gres/gpu": "GPUs"}
MEGABYTES = {"K": 2**-10, "M": 1, "G": 2**10, "T": 2**20}


@dataclass(frozen=True)
class Limits:
    """What one job may have: minutes ("time") and TRES ("cpu", "mem" in MB, "node", "gres/gpu"), by name;
    the parent of an account, and the QoS of its jobs that name none."""

    whose: str
    most: dict[str, float]
    parent: str = ""
    qos: str = ""


@dataclass(frozen=True)
class Site:
    """The limits of QoS by name, of accounts and of this user in them by (account, user or "")."""

    qos: dict[str, Limits] = field(default_factory=dict)
    accounts: dict[tuple[str, str], Limits] = field(default_factory=dict)
    account: str = ""
    """The account of jobs that name none."""

    def over(self, job: Job, partition: Partition) -> Iterator[Limits]:
        """The limits that hold for a job, in SLURM's order: of two for the same thing the first counts."""
        account = _flag(job, "-A ") or self.account
        mine = self.accounts.get((account, getpass.getuser()), Limits("", {}))
        for name in (partition.qos, _flag(job, "--qos=") or mine.qos or "normal"):
            if name in self.qos:
                yield self.qos[name]
        yield mine
        while limits := self.accounts.get((account, "")):
            yield limits
            account = limits.parent


def site() -> Site:
    """What slurmdbd says; nothing where a site has none, or lets nobody ask."""
    show = "sacctmgr", "--noheader", "--parsable2", "show"
    try:
        found = re.search(r"^ClusterName\s*=\s*(\S+)", ask("scontrol", "show", "config"), re.MULTILINE)
        here = f"cluster={found[1]}" if found else ""
        of_qos = ask(*show, "qos", "format=Name,MaxWall,MaxTRES,MaxTRESPU,MaxTRESPA,GrpTRES")
        of_accounts = ask(
            *show, "assoc", here, "format=Account,User,ParentName,DefaultQOS,MaxWall,MaxTRES,GrpTRES"
        )
        account = ask(*show, "user", getpass.getuser(), "format=DefaultAccount").strip()
    except (UserError, OSError):
        return Site()
    qos = {name: Limits(f"QoS {name}", _most(*rest)) for name, *rest in _rows(of_qos)}
    accounts = {
        (name, user): Limits(f"account {name}", _most(*rest), parent, default)
        for name, user, parent, default, *rest in _rows(of_accounts)
    }
    return Site(qos, accounts, account)


def check(jobs: Iterable[Job], cluster: dict[str, Partition], known: Site) -> None:
    """Raise UserError, naming rule, limit and mend, for the first job that would wait for ever."""
    for job in sorted(set(jobs), key=lambda job: (job.rule, job.partition, job.gpus, job.minutes)):
        asked = {
            "time": job.minutes,
            "cpu": job.cpus * job.nodes,
            "mem": job.mem_mb * job.nodes,
            "node": job.nodes,
            "gres/gpu": job.gpus,
            f"gres/gpu:{job.model}": job.gpus,
        }
        said: set[str] = set()
        for limits in known.over(job, cluster[job.partition]):
            for what in limits.most.keys() - said:
                if asked.get(what, 0) > limits.most[what]:
                    raise UserError(
                        f"rule {job.rule}: asks for {_words(what, asked[what])}, {limits.whose} lets a job "
                        f"have {_words(what, limits.most[what])}, and SLURM would never start it: choose "
                        "another qos or slurm_account in the profile, or ask for less (max_hours, gpus in "
                        "the config)"
                    )
            said |= limits.most.keys()


def _flag(job: Job, name: str) -> str:
    """The value of one of sbatch's flags, its last; empty without it."""
    _, found, rest = f" {' '.join(job.command)} ".rpartition(f" {name}")
    return rest.split(" ")[0] if found else ""


def _rows(text: str) -> Iterator[list[str]]:
    return (line.split("|") for line in text.splitlines())


def _most(wall: str, *tres: str) -> dict[str, float]:
    """The least of a record's limits: "1-00:00:00", "cpu=8,mem=500G,gres/gpu=4"."""
    found = {"time": minutes(wall)} if wall else {}
    for name, value in (item.split("=") for text in tres if text for item in text.split(",")):
        most = float(value.rstrip("KMGT")) * MEGABYTES.get(value[-1], 1)
        found[name] = min(found.get(name, most), most)
    return found


def _words(what: str, amount: float) -> str:
    if what == "time":
        return duration(60 * amount)
    return f"{amount:,.0f} {UNITS.get(what, what)}"
