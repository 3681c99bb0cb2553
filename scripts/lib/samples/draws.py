"""Which samples a table holds, and how a step is split: shared by all that samples."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from scripts.lib.data.tables import IDS, QUERIES, read
from scripts.lib.errors import UserError
from scripts.lib.samples.settings import ROUND

SPENT = ("sampled", "prompt_tokens", "completion_tokens", "reasoning_tokens", "saved_tokens")
"""What a run of a step pays for, in its ledger; tokens of thoughts are among those of completions. Last what
it does not pay for: tokens that stop strings left unwritten, at most."""
Spent = dict[str, float]
"""What a step has cost, by the names of SPENT and others."""
NOTHING: Spent = dict.fromkeys(("requested", "cut_off", "reused", *SPENT, "seconds"), 0)
"""The ledger's numbers of a step that had nothing to ask."""


@dataclass(frozen=True)
class Shard:
    """One of the `count` jobs that a step is split into, numbered from 0."""

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> "Shard":
        """Read "0-of-3". Raises UserError."""
        found = re.fullmatch(r"(\d+)-of-(\d+)", text)
        if not found or int(found[1]) >= int(found[2]):
            raise UserError(f"--shard {text!r} is no shard; the first of three is 0-of-3")
        return cls(int(found[1]), int(found[2]))

    def deal(self, requests: int, unit: int) -> np.ndarray:
        """Which of so many requests, in their order, are this shard's: bool [requests].

        The requests are cut into units and these are dealt like shuffled cards, so that shards are equally
        heavy, and what one of them leaves undone falls to all shards when the next call has another number of
        them.
        """
        cards = sorted(range(-(-requests // unit)), key=lambda card: _shuffled(self.count, card))
        mine = np.zeros(len(cards), dtype=bool)
        mine[cards[self.number :: self.count]] = True
        return np.repeat(mine, unit)[:requests]


def _shuffled(count: int, card: int) -> bytes:
    return hashlib.blake2b(f"{count}\0{card}".encode(), digest_size=8).digest()


def complete(ledgers: Sequence[Path], missing: int) -> None:
    """Raise UserError when completions are missing although every shard is done; the shards then count as not
    done."""
    if missing:
        for path in ledgers:
            path.unlink(missing_ok=True)
        raise UserError(
            f"{missing} completions are missing although every shard is done: questions or weights have "
            "changed since, or the store was damaged; run again, and the shards sample the rest"
        )


def gathered(ledgers: Sequence[Path]) -> Spent:
    """What the finished shards of a step spent: SPENT, and seconds."""
    found = [json.loads(path.read_text()) for path in ledgers]
    return {name: sum(ledger[name] for ledger in found) for name in (*SPENT, "seconds")}


def tidy(output: Path, ledgers: Sequence[Path]) -> None:
    """Remove the ledgers that shards of other calls left in `shards/` beside the output:
    the step is done without them."""
    for path in output.parent.glob("shards/*/*-of-*.json"):
        if path not in ledgers:
            path.unlink(missing_ok=True)


def select(queries: Path, only: Path | None) -> pl.DataFrame:
    """The questions (QUERIES), of them those in `only` (IDS). Raises UserError when there are none or `only`
    has others."""
    questions = read(queries, QUERIES)
    if questions.is_empty():
        raise UserError(f"{queries} holds no queries; give a file with questions")
    twice = questions.filter(questions["query_id"].is_duplicated())
    if twice.height:
        raise UserError(
            f"{queries} holds query {twice['query_id'][0]!r} twice; run the rule that makes it again"
        )
    if only is None:
        return questions
    ids = read(only, IDS).unique()
    strangers = ids.join(questions, on="query_id", how="anti").sort("query_id")
    if strangers.height:
        raise UserError(
            f"{only} names {strangers.height} queries that are not in {queries}, such as "
            f"{strangers['query_id'][0]!r}; make both from the same data"
        )
    return questions.join(ids, on="query_id", how="semi", maintain_order="left")


def draws(temperatures: Sequence[float], n: int, number: int, first_sample_id: int) -> pl.DataFrame:
    """The samples of each query: sample_id (temperatures as given, then index), temperature,
    index in the store.

    Greedy decoding knows one answer: temperature 0 is one sample, whatever n, and index 0 in every round.
    """
    rows: list[tuple[float, int]] = []
    for temperature in temperatures:
        first = (number - 1) * ROUND
        indices = [0] if temperature == 0 else range(first, first + n)
        rows += [(temperature, index) for index in indices]
    table = pl.DataFrame(rows, schema={"temperature": pl.Float64, "index": pl.Int32}, orient="row")
    return table.with_columns(sample_id=pl.int_range(pl.len(), dtype=pl.Int32) + first_sample_id)
