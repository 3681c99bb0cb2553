"""What fewer GPUs than the config gives a job come to."""

import pytest

from scripts.lib.runs.gpus import planned_on, processes


@pytest.mark.parametrize(
    ("wanted", "held", "nodes", "count"),
    [(4, 4, 1, 4), (4, 3, 1, 2), (4, 1, 1, 1), (4, 0, 1, 1), (6, 4, 1, 3), (16, 12, 2, 8), (6, 4, 2, 2)],
)
def test_processes_share_an_update_and_the_nodes_evenly(wanted, held, nodes, count):
    assert processes(wanted, held, nodes) == count


@pytest.mark.parametrize(
    ("rule", "held", "wanted", "planned"),
    [
        ("train_ppo", 4, 4, (4, 1)),
        ("train_ppo", 1, 4, (1, 4)),
        ("train_sft_candidates", 3, 4, (3, 2)),
        ("sample_teacher_shard", 1, 4, (4, 1)),
        ("sample_teacher", 0, 4, (0, 1)),
        ("train_ppo", 0, 0, (0, 1)),
        ("train_ppo", 2, None, (2, 1)),
    ],
)
def test_a_training_is_cut_and_takes_longer_sampling_is_not(rule, held, wanted, planned):
    assert planned_on(rule, {"gpu": held} | ({} if wanted is None else {"gpus_wanted": wanted})) == planned
