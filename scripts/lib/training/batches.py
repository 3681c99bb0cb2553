"""Which examples an update holds: those of like lengths, so that little of a batch is padding."""

from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import Sampler
from transformers import Trainer

POOL = 16
"""Updates that share what they draw from: with more of them less is padding, and an update's examples are
more alike."""


class GroupedByLength(Sampler[int]):
    """Row numbers of `lengths` in an order of each epoch's own, `update` of them an update; `epoch` tells
    which one begins, from 0.

    A random pool of rows is sorted by length and cut into updates, which then come in random order; rows that
    fill no update end the epoch. Unlike transformers' `group_by_length` the order follows from seed and epoch
    alone: a resumed training takes the same updates, however they are cut into batches.
    """

    def __init__(self, lengths: np.ndarray, update: int, seed: int, epoch: Callable[[], int]):
        self.lengths, self.update, self.seed, self.epoch = lengths, update, seed, epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self.seed, self.epoch()))
        rows = random.permutation(len(self.lengths))
        whole = len(rows) // self.update * self.update
        pools = np.split(rows[:whole], range(POOL * self.update, whole, POOL * self.update))
        alike = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        updates = np.concatenate(alike).reshape(-1, self.update)
        return iter([*random.permutation(updates).ravel().tolist(), *rows[whole:].tolist()])


class LengthGrouped(Trainer):
    """Mixin: updates are drawn by `GroupedByLength`, from `lengths`, the tokens of each row.

    The sampler asks for the epoch: what accelerate lays around it where a training of several processes is
    resumed within one passes `set_epoch` on to nobody.
    """

    lengths: np.ndarray

    def _get_train_sampler(self, train_dataset=None) -> Sampler[int]:
        arguments = self.args
        update = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        return GroupedByLength(self.lengths, update, arguments.data_seed, lambda: int(self.state.epoch or 0))
