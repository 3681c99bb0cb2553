"""The throwaway cluster itself: what the other tests stand on."""

import subprocess

import pytest

pytestmark = pytest.mark.slow


def run(cluster, *arguments):
    """Run a command line as a job and return what it prints."""
    return cluster("srun", *arguments)


def test_a_job_sees_the_gpus_it_asked_for(cluster):
    seen = run(
        cluster,
        "-p",
        "h100",
        "--gpus=h100:4",
        "--nodes=1",
        "sh",
        "-c",
        "echo $CUDA_VISIBLE_DEVICES $SLURM_JOB_PARTITION",
    )
    devices, partition = seen.split()
    assert len(set(devices.split(","))) == 4
    assert partition == "h100"


def test_a_cpu_job_sees_none(cluster):
    assert run(cluster, "-p", "cpu", "sh", "-c", "echo ${CUDA_VISIBLE_DEVICES:-none}") == "none"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (["-p", "h100", "--gpus=9", "--nodes=1"], "not available"),
        (["-p", "cpu", "--gpus=0"], "Unspecified error"),  # by the site's own rule
    ],
)
def test_what_no_node_has_is_refused(cluster, wish, words):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(cluster, *wish, "true")
    assert words in refused.value.stderr


def test_a_restarted_controller_remembers(cluster):
    job = cluster("sbatch", "--parsable", "-p", "cpu", "--wrap", "sleep 0.5", "-o", "/dev/null")
    cluster.stop_controller()
    cluster.start_controller()
    states = lambda: {item["state"] for item in cluster.jobs() if item["id"] == job}  # noqa: E731
    cluster.wait_for(lambda: cluster.states() and states() == {"COMPLETED"}, 120, "the job is forgotten")
