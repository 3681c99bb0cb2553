"""A training over two nodes of the cluster: one job, a process on each, told and ended by SLURM."""

import json

import pytest

from tests.slurm.box import SFT, Box

pytestmark = pytest.mark.campaign


def test_a_training_goes_over_two_nodes_and_on_after_a_preemption(cluster, environments, tmp_path) -> None:
    box = Box(tmp_path / "box", cluster)
    box.edit(
        "tests/slurm/config.yaml",
        "wo_r: {training: {max_steps: 80,",
        "wo_r: {training: {gpus: 2, max_steps: 80,",
    )
    box.edit("tests/slurm/config.yaml", "max_hours: 1\n", "max_hours: 1\ngpus_per_node: 1\n")
    box.edit("tests/slurm/config.yaml", "    gpus: 2\n", "    gpus: 1\n")
    run = box.start(f"{SFT}/identity.json")
    started = "state/sft/*/checkpoint-*/trainer_state.json"
    box.until(lambda: list(box.folder.glob(started)), "a checkpoint", 1200)
    word = next(word for word in box.words() if "scripts.train.train_sft" in word["command"])
    assert "-m scripts.launch.nodes --nodes 2" in word["command"]
    cluster("scontrol", "requeue", word["job"])
    assert run.wait(1200) == 0, box.log()
    assert "NumNodes=2" in cluster("scontrol", "show", "job", word["job"])
    (log,) = box.folder.glob("logs/train_sft/**/*.log")
    said = log.read_text(encoding="utf-8")
    assert "training from update" in said and "start again" not in said
    rows = [json.loads(line) for line in (box.folder / SFT / "metrics.jsonl").read_text().splitlines()]
    assert max(row["step"] for row in rows) == 80
