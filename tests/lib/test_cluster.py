"""What SLURM says is read right, and what it could never run is refused in one line."""

import pytest

pytest.importorskip("yaml")

from scripts.lib import cluster
from scripts.lib.cluster import Job, Node, Partition, check, minutes
from scripts.lib.errors import UserError

BOX = {
    "cpu": Partition("cpu", float("inf"), (Node("cpu1", 32, 200_000, {}),)),
    "h100": Partition("h100", 2880, (Node("gpu1", 64, 500_000, {"h100": 8}),)),
}
FITS = {
    "rule": "train_ppo",
    "partition": "h100",
    "gpus": 4,
    "model": "h100",
    "minutes": 600,
    "mem_mb": 64_000,
    "cpus": 32,
}


def test_a_job_that_fits() -> None:
    check([Job(**FITS), Job("label", "cpu", 0, "", 30, 4000, 1)], BOX)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"partition": "a100"}, "partition 'a100' does not exist; this cluster has cpu, h100"),
        ({"model": "a100"}, "GPU model 'a100' is not in partition h100, which has h100"),
        ({"gpus": 16}, "asks for 16 GPUs on one node, the largest of partition h100 has 8"),
        ({"minutes": 3000}, "asks for 50.0 h, partition h100 allows 48.0"),
        ({"mem_mb": 900_000}, "asks for 900,000 MB of memory"),
        ({"cpus": 65}, "asks for 65 CPUs"),
        ({"partition": "cpu"}, "GPU model 'h100' is not in partition cpu, which has none"),
    ],
)
def test_what_could_never_run_is_refused(wrong: dict, words: str) -> None:
    with pytest.raises(UserError) as refused:
        check([Job(**FITS | wrong)], BOX)
    assert words in str(refused.value)
    assert str(refused.value).startswith("rule train_ppo: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("UNLIMITED", float("inf")),
        ("30", 30),
        ("05:00", 5),
        ("1:30:00", 90),
        ("2-00:00:00", 2880),
        ("1-12", 2160),
    ],
)
def test_slurm_times(text: str, value: float) -> None:
    assert minutes(text) == value


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:h100:8(S:0-1)", {"h100": 8}),
        ("gpu:8", {"": 8}),
        ("gpu:a100:4,gpu:v100:2,lscratch:1", {"a100": 4, "v100": 2}),
        ("(null)", {}),
    ],
)
def test_gpus_of_a_node(gres: str, gpus: dict) -> None:
    assert cluster._gpus(gres) == gpus


def test_partition_by_gpus(tmp_path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    file = "profiles/slurm/partitions.yaml"
    assert cluster.choose({"gpu": 0, "runtime": 100_000, "mem_mb": 10**7}, file) == "cpu"
    assert cluster.choose({"gpu": 4}, file) == "h100"
    assert cluster.choose({"gpu": 4, "slurm_partition": "own"}, file) == "own"
    with pytest.raises(UserError, match="raise max_gpu"):
        cluster.choose({"gpu": 16}, file)


def test_a_profile_is_found_on_the_command_line() -> None:
    assert cluster.is_slurm(["--profile", "slurm", "all"])
    assert cluster.is_slurm(["--profile=profiles/slurm"])
    assert cluster.is_slurm(["--executor", "slurm"])
    assert not cluster.is_slurm(["--profile", "profiles/local"])
    assert not cluster.is_slurm(["all"])


def test_no_slurm_here(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="no SLURM on this machine: sbatch"):
        cluster.require()
