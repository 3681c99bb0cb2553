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
        ordered.__dict__.pop("_by_key", None)
        ordered.keys = [self.keys[at] for at in order]
        return ordered, which.reshape(len(self.keys), -1)[order].ravel()

    def places(self, rows: pl.DataFrame) -> np.ndarray:
        """Where each of the rows (KEY) stands among the requests, int64 [rows]; -1: nowhere."""
        prompt, draw = self._places(rows, rows)
        return np.where((prompt < 0) | (draw < 0), -1, prompt * len(self.draws) + draw)

    def _places(self, prompts: pl.DataFrame, drawn: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Where each of `prompts` (prompt_key) stands among the prompts, and each of `drawn` (temperature,
        index) among the draws, int64 [rows]; -1: nowhere."""
        keys, order = self._by_key
        at = stands(prompts["prompt_key"], keys)
        draw = drawn.join(self._drawn, on=["temperature", "index"], how="left", maintain_order="left")
        return np.where(at < 0, -1, order[at]), draw["place"].fill_null(-1).to_numpy()

    def claimed(self, which: np.ndarray) -> dict[str, np.ndarray]:
        """Which they are (bool [requests]), in a bit each, in arrays that `leave_out` takes."""
        temperatures, indices = (np.array(each) for each in zip(*self.draws, strict=True))
        keys, bits = np.array(self.keys), np.packbits(which)
        return {"keys": keys, "temperatures": temperatures, "indices": indices, "bits": bits}

    def leave_out(self, which: np.ndarray, claimed: Mapping[str, np.ndarray]) -> None:
        """Take out of `which` (bool [requests], changed) what other requests have claimed."""
        others = pl.DataFrame({"prompt_key": claimed["keys"].tolist()})
        drawn = {"temperature": claimed["temperatures"], "index": claimed["indices"].astype(np.int32)}
        shape = others.height, len(drawn["index"])
        theirs = np.unpackbits(claimed["bits"], count=shape[0] * shape[1]).astype(bool).reshape(shape)
        at, draw = self._places(others, pl.DataFrame(drawn))
        mine = which.reshape(len(self.keys), -1)
        mine[np.ix_(at[at >= 0], draw[draw >= 0])] &= ~theirs[at >= 0][:, draw >= 0]

    @cached_property
    def _by_key(self) -> tuple[pl.Series, np.ndarray]:
        """The prompts' keys, sorted, and the place of each, int64 [prompts]."""
        keys = pl.Series(self.keys, dtype=pl.String)
        order = keys.arg_sort()
        return keys.gather(order), order.cast(pl.Int64).to_numpy()

    @cached_property
    def _drawn(self) -> pl.DataFrame:
        """The draws of each prompt: temperature, index, place."""
        names = ("temperature", "index")
        drawn = pl.DataFrame(self.draws, schema={name: KEY[name] for name in names}, orient="row")
        return drawn.with_columns(pl.int_range(pl.len()).alias("place"))


def stands(values: pl.Series, ordered: pl.Series) -> np.ndarray:
    """Where each of `values` stands in `ordered`, which is sorted and has each once, int64 [values]; -1:
    nowhere.

    Equal values in a row, as the store keeps those of a prompt, are looked up once. (A join goes through all
    of `ordered` for each lot of rows: with as many more prompts and rows it takes the square as long.)
    """
    runs = values.rle().struct.unnest()
    at = ordered.search_sorted(runs["value"]).cast(pl.Int64)
    there = ordered.gather(at, null_on_oob=True) == runs["value"]
    return np.where(there.fill_null(False), at, -1).repeat(runs["len"])


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
