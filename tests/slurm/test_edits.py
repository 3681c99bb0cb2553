"""What is edited while a job waits does not go into it and pass for what the run began with."""

import polars as pl
import pytest

from tests.slurm.box import CONFIG, Box

pytestmark = pytest.mark.campaign

WORLD = "results/queries/dataset=world/seed=0"
LOG = "logs/world/dataset=world/seed=0.log"
RULES = "rules/world.smk has changed since this run began; undo that, or run again"
CODE = "scripts.world.world has changed since this run began; undo that, or run again"


@pytest.fixture
def waiting(cluster, environments, tmp_path):
    """A run whose only job waits, and the partition it waits for."""
    cluster("scontrol", "update", "partitionname=cpu", "state=down")
    box = Box(tmp_path / "box", cluster)
    run = box.start(f"{WORLD}/train.parquet", "--retries", "0")
    box.until(lambda: cluster.jobs("PENDING") or run.poll() is not None, "the job")
    yield box, run
    cluster("scontrol", "update", "partitionname=cpu", "state=up")
    run.kill()


def test_a_config_edited_while_a_job_waits_is_the_next_run_s(cluster, waiting):
    box, run = waiting
    box.edit(CONFIG[1], "train: 80", "train: 90")
    cluster("scontrol", "update", "partitionname=cpu", "state=up")
    assert run.wait(1200) == 0, box.log()
    assert pl.read_parquet(box.folder / WORLD / "train.parquet").height == 80
    target = f"{WORLD}/train.parquet"
    assert box.plan("--configfile", *CONFIG, target=target) == {"world": 1}
    box.edit(CONFIG[1], "train: 90", "train: 80")
    assert box.plan("--configfile", *CONFIG, target=target) == {}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("scripts/world/world.py", "\n\ndef ", "\n\nOTHER = 1\n\n\ndef "), CODE),
        (("rules/world.smk", "--seed {wildcards.seed} \\\n", "--seed 1 \\\n"), RULES),
    ],
    ids=["code", "rules"],
)
def test_code_changed_while_a_job_waits_ends_it_in_one_line(cluster, waiting, edit, said):
    box, run = waiting
    box.edit(*edit)
    cluster("scontrol", "update", "partitionname=cpu", "state=up")
    assert run.wait(1200) != 0
    logs = [box.folder / LOG, *(box.folder / "logs/slurm").rglob("*.log")]
    assert any(f"error: {said}" in path.read_text() for path in logs if path.exists()), box.log()
    assert not (box.folder / WORLD / "train.parquet").exists()
