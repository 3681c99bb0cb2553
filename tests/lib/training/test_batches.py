"""Updates of like lengths: every row once an epoch, the same however they are cut."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from scripts.lib.training.batches import POOL, GroupedByLength

LENGTHS = np.random.default_rng(0).integers(1, 500, 3_000)


def orders(update: int, seed: int = 1, epochs: int = 2) -> list[np.ndarray]:
    samplers = [GroupedByLength(LENGTHS, update, seed, partial(int, epoch)) for epoch in range(epochs)]
    return [np.array(list(sampler)) for sampler in samplers]


def padding(order: np.ndarray, size: int) -> float:
    whole = LENGTHS[order[: len(order) // size * size]].reshape(-1, size)
    return 1 - whole.sum() / (whole.max(axis=1).sum() * size)


@pytest.mark.parametrize("update", [1, 7, 32, 4_000])
def test_an_epoch_holds_every_row_once(update):
    for order in orders(update):
        assert sorted(order) == list(range(len(LENGTHS)))


def test_epochs_and_seeds_differ_and_each_can_be_had_again():
    first, second = orders(32)
    assert not np.array_equal(first, second) and not np.array_equal(first, orders(32, seed=2)[0])
    again = GroupedByLength(LENGTHS, 32, 1, lambda: 1)
    assert list(again) == second.tolist() == list(again)


def test_little_is_padding_and_updates_come_in_no_order():
    order = orders(32)[0]
    shuffled = np.random.default_rng(1).permutation(len(LENGTHS))
    assert padding(order, 32) < 0.1 < 0.4 < padding(shuffled, 32)
    assert padding(order, 8) < padding(order, 32)
    means = LENGTHS[order[: len(order) // 32 * 32]].reshape(-1, 32).mean(axis=1)
    rising = np.diff(means[: 5 * POOL].reshape(5, POOL)) > 0
    assert 0.3 < rising.mean() < 0.7


def test_an_update_draws_from_its_pool_only():
    """Not from all rows, whose longest would be together in every epoch."""
    first, second = (set(order[np.isin(order, np.argsort(LENGTHS)[-32:])]) for order in orders(32))
    assert first == second
    together = [
        {frozenset(rows) for rows in order[: 3_000 // 32 * 32].reshape(-1, 32).tolist()}
        for order in orders(32)
    ]
    assert not together[0] & together[1] and len(LENGTHS) > POOL * 32
