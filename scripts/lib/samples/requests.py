"""What a step asks a model for, and which of it the store lacks.

A request and its seed are made when they are taken: what is stored costs nothing.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import overload

import numpy as np
import polars as pl

from scripts.lib.engines.base import Prompt, Request, seed_of
from scripts.lib.samples.store import KEY, Gone, Partition


class Requests(Sequence[Request]):
    """Every prompt at every draw, by the prompt's key, then temperature and index; `longest_last`, by the
    prompt's length before.

    `prompts`: by their keys in the store; `drawn`: temperature, index, all different (`draws.draws`).
    """

    def __init__(self, prompts: Mapping[str, Prompt], drawn: pl.DataFrame, seed: int):
        self.prompts, self.seed = prompts, seed
        self.keys = sorted(prompts)
        self.draws: list[tuple[float, int]] = sorted(drawn.select("temperature", "index").rows())

    def __len__(self) -> int:
        return len(self.keys) * len(self.draws)

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> list[Request]: ...
    def __getitem__(self, place: int | slice) -> Request | list[Request]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        prompt, draw = divmod(place, len(self.draws))
        key, (temperature, index) = self.keys[prompt], self.draws[draw]
        seed = seed_of(self.seed, key, temperature, index)
        return Request(key, self.prompts[key], temperature, index, seed)

    def longest_last(self, which: np.ndarray) -> tuple["Requests", np.ndarray]:
        """The requests in the order in which they are generated, and `which` (bool [requests]) in that order.
        Makes the tokens of all prompts."""
        order = sorted(
            range(len(self.keys)), key=lambda at: (len(self.prompts[self.keys[at]].ids), self.keys[at])
        )
        ordered = copy.copy(self)
        ordered.__dict__.pop("_codes", None)
        ordered.keys = [self.keys[at] for at in order]
        return ordered, which.reshape(len(self.keys), -1)[order].ravel()

    def places(self, rows: pl.DataFrame) -> np.ndarray:
        """Where each of the rows (KEY) stands among the requests, int64 [rows]; -1: nowhere."""
        prompt, draw = (
            rows.join(codes, on=codes.columns[1:], how="left", maintain_order="left")["place"]
            for codes in self._codes
        )
        return (prompt * len(self.draws) + draw).fill_null(-1).to_numpy()

    def rows(self, which: np.ndarray) -> pl.DataFrame:
        """The keys (KEY) of some of the requests; `which`: bool [requests]."""
        prompt, draw = np.divmod(np.flatnonzero(which), len(self.draws))
        found = [
            codes[places].drop("place") for codes, places in zip(self._codes, (prompt, draw), strict=True)
        ]
        return pl.concat(found, how="horizontal")

    @cached_property
    def _codes(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The places of the prompts, and those of the draws of each; behind `place` the columns of KEY."""
        names = iter(KEY.items())
        prompts = pl.DataFrame(self.keys, schema=dict([next(names)]))
        drawn = pl.DataFrame(self.draws, schema=dict(names), orient="row")
        place = pl.int_range(pl.len()).alias("place")
        return prompts.select(place, pl.all()), drawn.select(place, pl.all())


def lacking(partition: Partition, requests: Requests) -> np.ndarray:
    """Which of the requests the store lacks, bool [requests]."""
    missing = np.ones(len(requests), dtype=bool)
    while True:
        try:
            for rows in partition.rows(list(KEY)):
                places = requests.places(rows)
                missing[places[places >= 0]] = False
            return missing
        except Gone:
            continue  # what has been seen is stored still


def tokens(partition: Partition, requests: Requests, missing: np.ndarray) -> tuple[int, int]:
    """Tokens of prompts and of completions that the stored ones of the requests have."""
    while True:
        left, prompt, completion = ~missing, 0, 0
        try:
            for rows in partition.rows([*KEY, "prompt_tokens", "num_tokens"]):
                places = requests.places(rows)
                first = np.zeros(len(places), dtype=bool)
                first[np.unique(places, return_index=True)[1]] = True
                first &= (places >= 0) & left[places]
                left[places[first]] = False
                prompt += int(rows["prompt_tokens"].filter(first).sum())
                completion += int(rows["num_tokens"].filter(first).sum())
            return prompt, completion
        except Gone:
            continue
