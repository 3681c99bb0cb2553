"""A run that has to make one step's results again, and what is held against the undisturbed run."""

import contextlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import psutil

from tests.slurm.box import PPO, REWARD, SAMPLES, SFT, Box

STEPS = {
    SAMPLES: ("scripts.sample.sample ", "samples.parquet"),
    SFT: ("scripts.train.train_sft ", "identity.json"),
    REWARD: ("scripts.train.train_reward ", "identity.json"),
    PPO: ("scripts.train.train_ppo ", "identity.json"),
}
"""A step's command, and the file that is asked for."""
LAST = {SFT: "checkpoint-60", REWARD: "checkpoint-60", PPO: "iteration=7"}
"""The last checkpoint but one of a training at the size of tests/slurm/config.yaml."""
MADE = ("samples.parquet", "ledger.json", "checkpoint", "identity.json", "metrics.jsonl")
KEY = ["folder", "prompt_key", "temperature", "index"]


class Case:
    """A run that has to make one step's results again, and the faults that strike it."""

    def __init__(self, local: Box, cluster, folder: Path, what: str) -> None:
        self.cluster, self.what, self.local = cluster, what, local
        self.box = local.copy(folder, cluster)
        self.box.forget(*(f"{what}/{name}" for name in MADE))
        if what == SAMPLES:
            self.box.forget(str(self.students().relative_to(self.box.folder)))
        self.command, file = STEPS[what]
        self.target = f"{what}/{file}"
        self.run: subprocess.Popen | None = None
        self.struck = 0
        self.held = pl.DataFrame()

    def start(self, *arguments: str) -> None:
        """Start the run, or start it again."""
        self.run = self.box.start(self.target, *arguments)

    def strike(self, when: str, fault: Callable[["Case", dict], None]) -> None:
        """Wait for the point "start", "middle" or "end" of the step, or for "after" it, and let the fault
        happen to its job, which gets no further meanwhile; after the step it waits for SLURM to end it."""
        arrived = {
            "start": self.began, "middle": self.progress, "end": self.nearly_done, "after": self.done,
        }[when]  # fmt: skip
        self.box.until(lambda: arrived() or self.run.poll() is not None, f"the {when} of the step")
        assert self.run.poll() is None, self.box.log()
        paused = self.job_processes()
        for process in paused:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        [job] = self.jobs("RUNNING")
        self.held, self.struck = self.paid(), len(self.starts())
        for process in paused if when != "after" else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        fault(self, job)

    def began(self) -> bool:
        """Whether a new attempt at the step has begun, which has nothing yet."""
        return len(self.starts()) > self.struck

    def progress(self) -> bool:
        """Whether the attempt at work has put something aside: flushed completions, or a checkpoint."""
        if self.what == SAMPLES:
            return self.began() and len(self.box.parts()) > len(self.local.parts()) - self.own_parts
        return self.began() and any(self.states())

    def nearly_done(self) -> bool:
        """Whether all completions are written, or the last checkpoint but one."""
        if self.what == SAMPLES:
            return self.began() and (self.box.folder / self.target).exists()
        return self.began() and any(path.name == LAST[self.what] for path in self.states())

    def done(self) -> bool:
        """Whether the step has ended, and its job has not."""
        return len(self.starts("end")) > self.struck

    @property
    def own_parts(self) -> int:
        """Files of the store that the undisturbed step has written."""
        return len(list(self.students(self.local).glob("part-*")))

    def states(self) -> list[Path]:
        """The step's checkpoints."""
        found = (self.box.folder / "state").glob("*/*/*")
        return [
            path
            for path in found
            if path.is_dir() and re.fullmatch(r"(checkpoint-|iteration=)\d+", path.name)
        ]

    def starts(self, event: str = "start") -> list[dict]:
        """What was witnessed of the step's attempts: their starts, or their ends."""
        return [
            word for word in self.box.words() if word["event"] == event and self.command in word["command"]
        ]

    def jobs(self, *states: str) -> list[dict]:
        """This case's jobs in SLURM: their comments hold the folder's id."""
        mine = json.loads((self.box.folder / ".redistill-id").read_text(encoding="utf-8"))["id"]
        return [job for job in self.cluster.jobs(*states) if f"/{mine}/" in job["comment"]]

    def processes(self) -> list[psutil.Process]:
        """All processes that work in this case's folder, with their `cmdline`."""
        folder = str(self.box.folder.resolve())
        return [each for each in psutil.process_iter(["cmdline", "cwd"]) if each.info["cwd"] == folder]

    def job_processes(self) -> list[psutil.Process]:
        """Those of them that SLURM has started."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                found += [process] * ("SLURM_JOB_ID" in process.environ())
        return found

    def process(self) -> psutil.Process:
        """The Python process of the step."""

        def found() -> list[psutil.Process]:
            return [
                process
                for process in self.processes()
                if (process.info["cmdline"] or [])[1:3] == ["-m", self.command.strip()]
            ]

        return self.box.until(found, "the step's process")[0]

    def students(self, box: Box | None = None) -> Path:
        """The store's folder of the warm student's completions."""
        box, model = box or self.box, self.local.spent(SAMPLES)["model"]
        [folder] = {path.parent for path in box.parts() if model in (path.parent / "key.json").read_text()}
        return folder

    def paid(self) -> pl.DataFrame:
        """Keys of all completions in the store."""
        parts = [
            pl.read_parquet(path, columns=KEY[1:]).with_columns(
                folder=pl.lit(str(path.parent.relative_to(self.box.folder)))
            )
            for path in sorted(self.box.parts())
        ]
        return pl.concat(parts).select(KEY)

    def finish(self, beside: int = 0) -> None:
        """Wait for the end and hold it against the undisturbed run; `beside`: starts while another one
        worked."""
        assert self.run.wait(1800) == 0, self.box.log()
        theirs, ours = self.local.results(self.what), self.box.results(self.what)
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if ours[name] != theirs[name]] == []
        now = self.paid()
        assert now.is_unique().all(), "a completion was paid for twice"
        if not self.held.is_empty():
            lost = self.held.join(now, on=KEY, how="anti", nulls_equal=True)
            assert lost.is_empty(), "a completion was lost"
        assert sum(word["event"] == "double" for word in self.box.words()) == beside
        assert self.jobs("RUNNING", "PENDING") == []
        self.box.until(lambda: not self.processes(), "the end of what the job has started")

    def hurry(self, number: str) -> None:
        """Take away the two minutes that SLURM makes a requeued job wait."""

        def queued() -> bool:
            if number in {job["id"] for job in self.jobs("PENDING")}:
                with contextlib.suppress(subprocess.CalledProcessError):  # it has begun meanwhile
                    self.cluster("scontrol", "update", f"jobid={number}", "starttime=now")
                return True
            return self.run.poll() is not None

        self.box.until(queued, "the requeued job")
