"""How jobs ask for GPUs, and that what is rehearsed is what the plugin submits."""

import pytest

pytest.importorskip("snakemake_executor_plugin_slurm")

from snakemake.iocontainers import ResourceList

from scripts.lib.errors import UserError
from scripts.lib.runs.submission import command, gpu_flag, settings

PROFILE = ["--profile", "profiles/slurm"]


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"gpu": 2, "gpu_model": "h100"}, " --gpus=h100:2"),
        ({"gpu": 0, "gpu_model": "h100"}, ""),
        ({"gpu_model": "h100"}, ""),
        ({"gpu": 8}, " --gpus=8"),
        ({"gpu": 8, "gpu_model": ""}, " --gpus=8"),
        ({"gpu": 1, "gpu_model": "1g.10gb"}, " --gpus=1g.10gb:1"),
        ({"gpu": 1, "gpu_model": "a100-80", "gpu_flag": "gres"}, " --gres=gpu:a100-80:1"),
        ({"gpu": 4, "gpu_model": 3090, "gpu_flag": "gpus-per-node"}, " --gpus-per-node=3090:4"),
        ({"gpu": 16, "gpu_model": "h100", "nodes": 2, "gpu_flag": "gres"}, " --gres=gpu:h100:8"),
    ],
)
def test_gpus_are_asked_for_as_the_site_wants(asked, flag) -> None:
    assert gpu_flag(asked) == flag


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"gpu_flag": "gpu"}, "gpu_flag 'gpu' is none of gpus,"), ({"gpu_model": "h100; rm"}, "gpu_model 'h1")],
)
def test_a_wrong_flag_or_model_is_one_line(wrong, words) -> None:
    with pytest.raises(UserError, match=words):
        gpu_flag({"gpu": 1} | wrong)


def given(**resources: object) -> ResourceList:
    return ResourceList(fromdict=resources)


def test_what_is_rehearsed_is_what_is_submitted() -> None:
    job = given(
        gpu=2, gpu_model="h100", cpus_per_task=16, runtime=60, mem_mb=4000, constraint="nvlink&ib",
        slurm_account="proj123", qos="long", gpus_wanted=4, slurm_extra="--signal=TERM@120 --mail-type=END",
    )  # fmt: skip
    how = settings([*PROFILE, "--slurm-reservation", "course"])
    said = command({"rule_name": "train_ppo", "threads": 1, "resources": job}, "h100", how)
    assert said[said.index("-p") :] == (
        "-p", "h100", "-t", "60", "-C", "nvlink&ib", "--qos=long", "--mem", "4000", "--requeue",
        "--reservation=course", "--cpus-per-task=16", "--signal=TERM@120", "--mail-type=END",
        "--gpus=h100:2",
    )  # fmt: skip
    assert said[said.index("-A") + 1] == "proj123"


def test_a_job_without_gpus_asks_for_none() -> None:
    job = given(gpu=0, gpu_model="h100", cpus_per_task=1, runtime=15, mem_mb=2000)
    said = command({"rule_name": "label", "resources": job}, "cpu", settings(PROFILE))
    assert not [word for word in said if "gpu" in word or "gres" in word] and "--ntasks=1" in said


def test_what_the_plugin_refuses_is_one_line() -> None:
    job = given(cpus_per_task=1, runtime=15, mem_mb=2000, slurm_extra="--time=3")
    with pytest.raises(UserError, match="rule label: The --runtime/time-limit option is not allowed"):
        command({"rule_name": "label", "resources": job}, "cpu", settings(PROFILE))
