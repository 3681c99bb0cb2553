"""Jobs in SLURM's queue are told apart by their names, and their run is known by the comment."""

import logging
import subprocess
from threading import Lock, Semaphore, Thread
from types import SimpleNamespace

import pytest

pytest.importorskip("snakemake_executor_plugin_slurm")

import snakemake_executor_plugin_slurm as plugin
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake_interface_executor_plugins.executors.real import RealExecutor

from scripts.lib.process.cli import SNAPSHOT
from scripts.lib.runs import plugin as ours
from scripts.lib.runs.lock import folder_id
from scripts.lib.runs.plugin import install, job_name
from scripts.lib.runs.queue import Submission

CHAIN = "dataset=world/student=llama-1b/seed=0"
PARAMS = {
    "run_uuid": "redistill_7",
    "slurm_logfile": "a.log",
    "comment_str": "rule_train_sft",
    "account": "",
    "partition": "-p h100",
    "workdir": "/a",
}


class Resources(dict):
    __getattr__ = dict.get


def one(rule: str, chain: str = "") -> SimpleNamespace:
    """A Snakemake job, whose log lies under `chain`."""
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule),
        jobid=1,
        log=[f"logs/{rule}/{chain}.log" if chain else f"logs/{rule}.log"],
        is_group=lambda: False,
        resources=Resources(gpu=1, runtime=30),
        threads=1,
    )


class Dag(SimpleNamespace):
    """Jobs that need to run, and on which of them each depends."""

    def needrun_jobs(self):
        return self.dependencies

    def needrun(self, job) -> bool:
        return job in self.dependencies


def wanted(rule: str, seed: int = 0, group: str | None = None, **resources: object) -> SimpleNamespace:
    class Job(SimpleNamespace):
        __hash__ = object.__hash__

    place = Resources(gpu=1, slurm_partition="h100") | resources
    return Job(
        rule=SimpleNamespace(name=rule),
        is_group=lambda: False,
        group=group,
        resources=Resources(place),
        wildcards_dict={"seed": str(seed)},
    )


@pytest.mark.parametrize(
    ("config", "now", "kept"),
    [
        ("a", wanted("train"), True),
        ("a", wanted("train", mem_mb=9000), True),
        ("b", wanted("train"), False),
        ("a", wanted("train", seed=1), False),
        ("a", wanted("train", slurm_partition="a100"), False),
        ("a", wanted("train", group="labels"), False),
    ],
    ids=["the same", "more memory", "another config", "another job", "elsewhere", "in a group"],
)
@pytest.mark.parametrize("ready", [True, False])
def test_a_run_goes_on_with_what_it_would_submit_the_same(
    monkeypatch, tmp_path, config, now, kept, ready
) -> None:
    """Of what another run has left; the rest is ended, as is what waits for another job's result."""
    snapshot, ended = tmp_path / "snapshot.json", []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SNAPSHOT, str(snapshot))
    monkeypatch.setattr(ours, "left", {})
    snapshot.write_text("a")
    left = {"4": ours.makes(wanted("train")), "5": ours.makes(wanted("sample"))}
    monkeypatch.setattr(ours.slurm, "living", lambda run: left)
    monkeypatch.setattr(ours.slurm, "end", lambda run, jobs: ended.extend(sorted(jobs)))
    snapshot.write_text(config)
    before = wanted("before")
    ours.take_over(Dag(dependencies={now: {} if ready else {before: ["a"]}, before: {}}))
    going_on = kept and ready
    assert ours.left == ({left["4"]: "4"} if going_on else {})
    assert ended == (["5"] if going_on else ["4", "5"])


def group(*jobs: SimpleNamespace) -> SimpleNamespace:
    """A group, of whose steps two run side by side."""
    return SimpleNamespace(
        jobs=jobs, is_group=lambda: True, jobid="0f-9a", resources=Resources(nodes=2, runtime=30), threads=1
    )


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (one("train_sft", CHAIN), "train_sft/dataset=world/student=llama-1b/seed=0"),
        (one("world"), "world"),
        (
            group(
                one("label", CHAIN),
                one("grade", f"{CHAIN}/round=1"),
                one("label", CHAIN.replace("seed=0", "seed=1")),
            ),
            "grade+label/dataset=world/student=llama-1b",
        ),
    ],
)
def test_a_job_is_named_by_what_it_does(job: SimpleNamespace, name: str) -> None:
    assert job_name(job) == name


@pytest.fixture
def installed(monkeypatch, tmp_path) -> None:
    """Our changes, for one test."""
    for name in vars(plugin).copy():
        monkeypatch.setattr(plugin, name, getattr(plugin, name))
    monkeypatch.setattr(JobScheduler, "exit_gracefully", JobScheduler.exit_gracefully)
    monkeypatch.setattr(RealExecutor, "format_job_exec", RealExecutor.format_job_exec)
    monkeypatch.setattr(plugin.Executor, "get_account_arg", plugin.Executor.get_account_arg)
    monkeypatch.chdir(tmp_path)
    install()
    install()


def test_snakemake_is_told_to_end_while_it_holds_its_own_lock(installed) -> None:
    scheduler = SimpleNamespace(_lock=Lock(), _open_jobs=Semaphore(0))
    with scheduler._lock:
        Thread(target=JobScheduler.exit_gracefully, args=(scheduler, 15, None), daemon=True).start()
        assert scheduler._open_jobs.acquire(timeout=20), "it wakes up"
        assert scheduler._user_kill == "graceful"


@pytest.mark.parametrize(("account", "flag"), [("proj123", "-A proj123"), (None, "")])
def test_a_job_without_an_account_gets_slurm_s_default_not_the_last_one(
    installed, monkeypatch, tmp_path, account, flag
) -> None:
    for name in ("sacct", "sacctmgr"):
        (tmp_path / name).write_text("#!/bin/sh\necho another\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    job = SimpleNamespace(resources=Resources(slurm_account=account))
    executor = SimpleNamespace(logger=logging.getLogger(), _fallback_account_arg=None)
    assert next(plugin.Executor.get_account_arg(executor, job)) == flag


def test_the_plugin_submits_by_that_name_and_asks_for_the_user_s_jobs(installed) -> None:
    call = plugin.get_submit_command(one("train_sft", CHAIN), PARAMS).split()
    assert call[call.index("--job-name") + 1] == "train_sft/dataset=world/student=llama-1b/seed=0"
    run, folder, what, own = call[call.index("--comment") + 1].split("/")
    assert (run, folder, len(what), len(own)) == ("redistill_7", folder_id(), 12, 8)
    assert plugin.subprocess.Popen is Submission and plugin.subprocess.PIPE == subprocess.PIPE
    together = group(one("label", CHAIN), one("grade", CHAIN))
    assert " --nodes=1 " in plugin.get_submit_command(together, PARAMS)
    for query in (plugin.query_job_status_squeue, plugin.query_job_status_sacct):
        assert "redistill_7" not in query("redistill_7")
    assert "--user " in plugin.query_job_status_sacct("redistill_7")
