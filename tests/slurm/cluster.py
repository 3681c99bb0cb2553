"""A throwaway SLURM on one machine: a controller, two nodes of eight pretended H100s, one CPU node.

Needs Debian's slurmctld, slurmd and slurm-client; no root, no munge, no cgroups, no database.
Everything lies in one folder. Measured on SLURM 22.05: up in 0.3 s, down in 0.2 to 0.9 s.
"""

import contextlib
import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLIENTS = ("srun", "sbatch", "squeue", "scontrol", "scancel", "sinfo", "sacct")
NODES = ("gpu1", "gpu2", "cpu1")
GPUS = 8
SYSTEM = "/usr/sbin:/usr/bin"
RULES = """\
-- The site's own rules: in place of a database of accounts and QoS, and for a partition that has no GPUs.
-- What QoS a job asks for is kept as the admin's comment; 2066 is ESLURM_INVALID_QOS.
function slurm_job_submit(job, partitions, user)
   if job.partition == "cpu" and job.tres_per_job ~= nil then return slurm.ERROR end
   if job.account ~= nil and job.account ~= "proj123" then return slurm.ESLURM_INVALID_ACCOUNT end
   if job.qos ~= nil then
      if job.qos ~= "long" then return 2066 end
      job.admin_comment = job.qos
   end
   return slurm.SUCCESS
end
function slurm_job_modify(job, record, partitions, user) return slurm.SUCCESS end
"""


def missing() -> str | None:
    """Why no cluster can be started here, in words, or None."""
    absent = [name for name in ("slurmctld", "slurmd", "sbatch") if not shutil.which(name, path=SYSTEM)]
    return (
        f"{', '.join(absent)} not installed (apt install slurmctld slurmd slurm-client)" if absent else None
    )


@dataclass
class Cluster:
    """A cluster whose state, logs and configuration lie in `folder`."""

    folder: Path

    @property
    def conf(self) -> Path:
        """The slurm.conf that every command needs."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a process that is to use this cluster: its clients come first on PATH."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"SLURM_CONF": str(self.conf), "PATH": path}

    def start(self) -> None:
        """Write the configuration and start every daemon; returns when all nodes are idle."""
        for name in ("state", "spool", "log", "run", "bin", "dev"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "gres.conf").write_text(
            f"NodeName=gpu[1-2] Name=gpu Type=h100 File={self._devices()}\n"
        )
        self.conf.write_text(self._configuration())
        (self.folder / "job_submit.lua").write_text(RULES)
        for name in CLIENTS:
            # The job step plugin drops SLURM_CONF before its srun, so the commands themselves carry it.
            command = self.folder / "bin" / name
            command.write_text(
                f'#!/bin/sh\nSLURM_CONF={self.conf} exec {shutil.which(name, path=SYSTEM)} "$@"\n'
            )
            command.chmod(0o755)
        self.start_controller()
        for node in NODES:
            self._daemon("slurmd", "-N", node)
        self.wait_for(lambda: set(self.states().values()) == {"idle"}, 120, "nodes are not idle")

    def start_controller(self) -> None:
        """Start slurmctld, again if it was stopped."""
        self._daemon("slurmctld")

    def stop_controller(self) -> None:
        """Stop slurmctld as an upgrade would (a crash would forget submissions of the last five seconds)."""
        _end(self.folder / "run/slurmctld.pid", signal.SIGTERM)

    @contextlib.contextmanager
    def cut_off(self, node: str) -> Iterator[None]:
        """While SLURM takes a node for dead: what runs there goes on, and its daemon hears of nothing."""
        daemon = int((self.folder / f"run/slurmd-{node}.pid").read_text(encoding="utf-8"))
        os.kill(daemon, signal.SIGSTOP)
        try:
            self("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
            yield
        finally:
            os.kill(daemon, signal.SIGCONT)
            self("scontrol", "update", f"nodename={node}", "state=resume")

    def clear(self) -> None:
        """End every job: those that end meanwhile by themselves, too, of which scancel complains."""
        for job in self.jobs("RUNNING", "PENDING"):
            with contextlib.suppress(subprocess.CalledProcessError):
                self("scancel", job["id"])
        self.wait_for(lambda: not self("squeue", "-h"), 120, "jobs do not end")

    def stop(self) -> None:
        """End every job and daemon."""
        with contextlib.suppress(subprocess.SubprocessError, RuntimeError):
            self.clear()
        for file in [*self.folder.glob("run/slurmd-*.pid"), self.folder / "run/slurmctld.pid"]:
            _end(file, signal.SIGTERM)

    def __call__(self, *command: str) -> str:
        """Run a SLURM command and return what it prints. Raises CalledProcessError."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=120
        ).stdout.strip()

    def in_folder(self, folder: Path, *command: str) -> str:
        """Run a SLURM command in a folder."""
        return subprocess.run(
            command, cwd=folder, env=self.environment, check=True, capture_output=True, text=True, timeout=120
        ).stdout.strip()

    def states(self) -> dict[str, str]:
        """State of each node; empty while the controller does not answer."""
        try:
            text = self("sinfo", "-h", "-N", "-o", "%N %t")
        except subprocess.SubprocessError:
            return {}
        return dict(line.split() for line in text.splitlines())

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Jobs in these states (all states that squeue still remembers, by default)."""
        wanted = ",".join(states) or "all"
        text = self("squeue", "-h", "-t", wanted, "-o", "%i|%T|%P|%b|%j|%k|%N|%Z")
        keys = ("id", "state", "partition", "gres", "name", "comment", "node", "folder")
        return [dict(zip(keys, line.split("|"), strict=True)) for line in text.splitlines()]

    def wait_for(self, condition, seconds: float, what: str) -> None:
        """Wait until `condition()` holds; RuntimeError with `what` and SLURM's last words after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: {self.states()}\n{self._fatal()}")
            time.sleep(0.05)

    def _fatal(self) -> str:
        lines = [line for log in self.folder.glob("log/*") for line in log.read_text().splitlines()]
        return "\n".join(line for line in lines if "fatal:" in line or "error:" in line)[-2000:]

    def _daemon(self, name: str, *arguments: str) -> None:
        log = self.folder / "log" / "-".join([name, *arguments[1:]])
        with log.with_suffix(".out").open("ab") as out:
            subprocess.run(
                [shutil.which(name, path=SYSTEM), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=True,
                timeout=120,
            )

    def _devices(self) -> str:
        """GPUs need character devices: our own null devices for root, consoles otherwise."""
        try:
            for number in range(GPUS):
                os.mknod(self.folder / f"dev/nvidia{number}", 0o20666, os.makedev(1, 3))
        except PermissionError:
            return f"/dev/tty[0-{GPUS - 1}]"
        except FileExistsError:
            pass
        return f"{self.folder}/dev/nvidia[0-{GPUS - 1}]"

    def _configuration(self) -> str:
        here, me = self.folder, getpass.getuser()
        controller, gpu1, gpu2, cpu1 = _free_ports(4)
        gpu_node = (
            "NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=64 SocketsPerBoard=2 CoresPerSocket=32 "
            f"ThreadsPerCore=1 RealMemory=2000000 Gres=gpu:h100:{GPUS} Feature=nvlink State=UNKNOWN"
        )
        return f"""\
ClusterName=box
SlurmctldHost=localhost
SlurmUser={me}
SlurmdUser={me}
AuthType=auth/none
CredType=cred/none
SlurmctldPort={controller}
StateSaveLocation={here}/state
SlurmdSpoolDir={here}/spool/%n
SlurmctldPidFile={here}/run/slurmctld.pid
SlurmdPidFile={here}/run/slurmd-%n.pid
SlurmctldLogFile={here}/log/slurmctld.log
SlurmdLogFile={here}/log/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobSubmitPlugins=lua
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
MpiDefault=none
ReturnToService=1
SlurmdTimeout=300
KillWait=5
MinJobAge=3600
NodeName=gpu1 Port={gpu1} {gpu_node}
NodeName=gpu2 Port={gpu2} {gpu_node}
NodeName=cpu1 Port={cpu1} NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=32 SocketsPerBoard=1 \
CoresPerSocket=32 ThreadsPerCore=1 RealMemory=200000 State=UNKNOWN
PartitionName=cpu Nodes=cpu1 Default=YES State=UP
PartitionName=h100 Nodes=gpu[1-2] MaxTime=2-00:00:00 PriorityTier=1 State=UP
PartitionName=cheap Nodes=gpu[1-2] PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=urgent Nodes=gpu[1-2],cpu1 PriorityTier=9 PreemptMode=OFF State=UP
"""


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the system deals out to whoever connects: it would deal
    them again before a daemon has them, or while it is started anew."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 20_000)  # above lie those of trainings on several nodes
        with socket.socket() as item, contextlib.suppress(OSError):
            item.bind(("", port))
            found += [port] * (port not in found)
    return found


def _end(pid_file: Path, with_signal: signal.Signals) -> None:
    """Signal the process of a pid file and wait until it is gone (a zombie counts as gone)."""
    if not pid_file.exists() or not (text := pid_file.read_text(encoding="utf-8").strip()):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(text), with_signal)
    status = Path(f"/proc/{text}/status")
    for _ in range(1200):
        try:
            if "State:\tZ" in status.read_text(encoding="utf-8"):
                return
        except OSError:
            return
        time.sleep(0.05)
