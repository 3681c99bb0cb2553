"""A sharded sampling step on the cluster: a job with GPUs for each shard, none for the rest; one that is
cancelled goes on."""

import polars as pl
import pytest

from tests.slurm.box import Box

pytestmark = pytest.mark.campaign

TEACHER = "results/teacher_samples/dataset=world/teacher=tiny/seed=0/round=1"
KEY = ["prompt_key", "temperature", "index"]


@pytest.fixture(scope="module")
def one_job(cluster, environments, tmp_path_factory) -> Box:
    """12,800 completions (four units), as one job on this machine."""
    box = Box(tmp_path_factory.mktemp("local") / "box")
    box.edit(
        "tests/slurm/config.yaml", "base: {temperatures: [1.0], n: 6}", "base: {temperatures: [1.0], n: 160}"
    )
    assert box.run(f"{TEACHER}/samples.parquet") == 0, box.log()
    return box


@pytest.fixture
def box(one_job, cluster, tmp_path) -> Box:
    """The same in three shards on the cluster, not sampled yet."""
    box = one_job.copy(tmp_path / "box", cluster)
    box.forget(TEACHER, "store")
    box.edit("tests/slurm/config.yaml", "    gpus: 2\n", "    gpus: 2\n    shards: 3\n")
    return box


def check(box: Box, one_job: Box) -> None:
    """The results are those of one job, nothing was paid for twice, and no shard ever ran beside itself."""
    assert box.results(TEACHER) == one_job.results(TEACHER)
    paid = pl.concat([pl.read_parquet(part, columns=KEY) for part in sorted(box.parts())])
    assert paid.is_unique().all() and paid.height == 12_800
    assert [word for word in box.words() if word["event"] == "double"] == []


def test_each_shard_is_a_job_with_gpus_and_the_rest_needs_none(box, one_job):
    assert box.run(f"{TEACHER}/samples.parquet") == 0, box.log()
    check(box, one_job)
    started = [word for word in box.words() if word["event"] == "start"]
    shards = [word for word in started if " --shard " in word["command"]]
    [rest] = [word for word in started if " --shards " in word["command"]]
    assert len(started) == 4 and len({word["job"] for word in started}) == 4
    assert [(word["partition"], len(word["gpus"].split(","))) for word in shards] == [("h100", 2)] * 3
    assert (rest["partition"], rest["gpus"]) == ("cpu", "")
    assert box.spent(TEACHER)["sampled"] == 12_800


def test_a_cancelled_shard_stores_what_it_has_and_goes_on(box, one_job, cluster):
    run = box.start(f"{TEACHER}/samples.parquet")
    box.until(lambda: box.parts() or run.poll() is not None, "the first completions")
    jobs = cluster.jobs("RUNNING")
    assert jobs, box.log()
    cluster("scancel", jobs[0]["id"])
    assert run.wait(1800) == 0, box.log()
    check(box, one_job)
    shards = [word for word in box.words() if word["event"] == "start" and " --shard " in word["command"]]
    assert len(shards) == 4, "the cancelled shard alone runs again"
