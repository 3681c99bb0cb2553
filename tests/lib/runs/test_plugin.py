"""Jobs in SLURM's queue are told apart by their names, and their run is known by the comment."""

import subprocess
from types import SimpleNamespace

import pytest

pytest.importorskip("snakemake_executor_plugin_slurm")

import snakemake_executor_plugin_slurm as plugin

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


def test_the_plugin_submits_by_that_name_and_asks_for_the_user_s_jobs(monkeypatch, tmp_path) -> None:
    for name in vars(plugin).copy():
        monkeypatch.setattr(plugin, name, getattr(plugin, name))
    monkeypatch.chdir(tmp_path)
    install()
    install()
    call = plugin.get_submit_command(one("train_sft", CHAIN), PARAMS).split()
    assert call[call.index("--job-name") + 1] == "train_sft/dataset=world/student=llama-1b/seed=0"
    run, folder, own = call[call.index("--comment") + 1].split("/")
    assert (run, folder, len(own)) == ("redistill_7", folder_id(), 8)
    assert plugin.subprocess.Popen is Submission and plugin.subprocess.PIPE == subprocess.PIPE
    together = group(one("label", CHAIN), one("grade", CHAIN))
    assert " --nodes=1 " in plugin.get_submit_command(together, PARAMS)
    for query in (plugin.query_job_status_squeue, plugin.query_job_status_sacct):
        assert "redistill_7" not in query("redistill_7")
    assert "--user " in plugin.query_job_status_sacct("redistill_7")
