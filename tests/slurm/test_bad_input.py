"""What could never run is refused in one line before the first job is submitted."""

import pytest

from tests.slurm.box import REPORT, Box

pytestmark = pytest.mark.slow


@pytest.fixture
def box(cluster, environments, tmp_path):
    return Box(tmp_path / "box", cluster)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "profiles/slurm/partitions.yaml",
            "h100:",
            "a100:",
            "partition 'a100' does not exist; this cluster has",
        ),
        (
            "profiles/slurm/config.yaml",
            "gpu_model: h100",
            "gpu_model: a100",
            "GPU model 'a100' is not in partition",
        ),
        ("tests/slurm/config.yaml", "gpus: 2", "gpus: 9", "no partition takes a job with 9 GPUs"),
    ],
)
def test_what_the_cluster_lacks(box, cluster, file, old, new, words):
    box.edit(file, old, new)
    before = len(cluster.jobs())
    assert box.run(REPORT) == 2
    assert box.log().splitlines()[-1].startswith("error: ")
    assert words in box.log().splitlines()[-1]
    assert len(cluster.jobs()) == before


def test_a_plan_above_the_budget(box, cluster):
    before = len(cluster.jobs())
    assert box.run(REPORT, "--max-gpu-hours", "0.5") == 2
    assert "the budget is 0.5" in box.log().splitlines()[-1]
    assert len(cluster.jobs()) == before
