"""Many short steps, grouped: none is lost, none runs twice. (What one costs: tests/bench/grouping.py.)"""

import math

import pytest

from tests.slurm.many import run

pytestmark = pytest.mark.campaign

STEPS, TOGETHER = 10, 4


def test_many_short_steps(cluster, tmp_path):
    before = {job["id"] for job in cluster.jobs()}
    many = run(cluster, tmp_path, STEPS, TOGETHER)
    assert all(len(jobs) == 1 for jobs in many.ran_in), "a step ran twice"
    jobs = [job for job in cluster.jobs() if job["id"] not in before]
    assert {job["id"] for job in jobs} == {job for [job] in many.ran_in}
    assert len(jobs) == math.ceil(STEPS / TOGETHER)
    assert {job["state"] for job in jobs} == {"COMPLETED"}
