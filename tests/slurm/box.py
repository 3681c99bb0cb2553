"""The project in a folder of its own, run on the throwaway cluster; every step leaves word of where it
ran."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.workflow.project import ROOT, Project

HERE = Path(__file__).parent
CONFIG = ("config/world.yaml", "tests/slurm/config.yaml")
REPORT = "results/reports/box/report.html"
PPO = "results/checkpoints/dataset=world/teacher=tiny/student=tiny/variant=ours/seed=0"
SFT = "results/checkpoints/dataset=world/teacher=tiny/student=tiny/variant=wo_r/seed=0"
REWARD = "results/rewards/dataset=world/teacher=tiny/student=tiny/reward=ours/seed=0"
SAMPLES = "results/student_samples/dataset=world/teacher=tiny/student=tiny/warmup=wo_r/seed=0"
WITNESS = """\
# Sourced by every bash of a job: one line where and as what a step runs, and one when it ends.
# The step and its children hold a lock; who does not get it is a second copy.
case "${BASH_EXECUTION_STRING:-}" in *"-m scripts."*)
    word() { printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$1" "$(date +%s.%N)" "${SLURM_JOB_ID:-}" \\
        "${SLURM_JOB_PARTITION:-}" "${CUDA_VISIBLE_DEVICES:-}" \\
        "$(tr -s '\\\\ \\n' ' ' <<<"$BASH_EXECUTION_STRING")" >> "$WITNESS"; }
    word start
    exec 9> "$WITNESS.$(md5sum <<<"$BASH_EXECUTION_STRING" | cut -c1-16).lock"
    flock --nonblock 9 || word double
    trap 'word end' EXIT;;
esac
"""


class Box(Project):
    """A copy of the project with the two environments linked in, at the size of tests/slurm/config.yaml."""

    def __init__(self, folder: Path, cluster: Cluster | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        (folder / "slurm").symlink_to("profiles/slurm")
        for name in (".venv", ".venv-gpu"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "tests/slurm").mkdir(parents=True)
        for name in ("config.yaml", "study.tsv"):
            shutil.copy(HERE / name, folder / "tests/slurm" / name)
        (folder / "witness.sh").write_text(WITNESS)
        self.cluster = cluster

    def copy(self, folder: Path, cluster: Cluster) -> "Box":
        """This box with all it has made, elsewhere, on a cluster."""
        shutil.copytree(
            self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("witness.tsv*", "run.log")
        )
        box = Box.__new__(Box)
        box.folder, box.cluster = folder, cluster
        return box

    def start(self, target: str, *arguments: str) -> subprocess.Popen:
        """Start `python -m scripts.commands.run` for a target, on the cluster if there is one;
        output in run.log."""
        environment = self.cluster.environment if self.cluster else dict(os.environ)
        environment |= {
            "PYTHONPATH": str(HERE / "fast"),
            "BASH_ENV": str(self.folder / "witness.sh"),
            "WITNESS": str(self.folder / "witness.tsv"),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        where = [
            "--profile",
            "slurm",
            "--latency-wait",
            "5",
            "--slurm-init-seconds-before-status-checks",
            "2",
        ]
        local = ["--profile", "profiles/local", "--cores", "2"]
        command = [
            sys.executable,
            "-m",
            "scripts.commands.run",
            *(where if self.cluster else local),
            *arguments,
        ]
        command += ["--configfile", *CONFIG, "--", target]
        with (self.folder / "run.log").open("a") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def run(self, target: str, *arguments: str, seconds: float = 3000) -> int:
        """Run to the end; returns the exit code."""
        run = self.start(target, *arguments)
        try:
            return run.wait(seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGTERM)
            run.wait(600)
            raise RuntimeError(self.log()) from None

    def log(self, lines: int = 60) -> str:
        """The end of run.log."""
        path = self.folder / "run.log"
        return "\n".join(path.read_text().splitlines()[-lines:]) if path.exists() else ""

    def words(self) -> list[dict[str, str]]:
        """What the steps said: event (start, end), time, job, partition, gpus, command."""
        path = self.folder / "witness.tsv"
        keys = ("event", "time", "job", "partition", "gpus", "command")
        lines = path.read_text().splitlines() if path.exists() else []
        return [dict(zip(keys, line.split("\t", 5), strict=True)) for line in lines]

    def until(self, condition, what: str, seconds: float = 600):
        """Wait until `condition()` is true and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come:\n{self.log()}")
            time.sleep(0.1)
        return value

    def results(self, under: str = "results") -> dict[str, bytes]:
        """Every deterministic artifact: tables, identities (which hash the weights), scores."""
        timed = {"ledger.json", "manifest.json"}
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted((self.folder / under).rglob("*"))
            if path.is_file()
            and path.suffix in {".parquet", ".json"}
            and path.name not in timed
            and "reports" not in path.parts
            and "checkpoint" not in path.parts
        }

    def forget(self, *names: str) -> None:
        """Delete files or folders as if they had never been made."""
        for name in names:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def parts(self) -> set[Path]:
        """The store's files."""
        return set((self.folder / "store").rglob("part-*.parquet"))

    def spent(self, folder: str) -> dict:
        """A sampling step's ledger."""
        return json.loads((self.folder / folder / "ledger.json").read_text())
