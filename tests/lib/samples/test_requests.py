import hashlib
from functools import partial

import numpy as np
import polars as pl
import pytest

from scripts.lib.engines.base import Completion, Prompt
from scripts.lib.samples import requests as module
from scripts.lib.samples.draws import draws
from scripts.lib.samples.fill import rows
from scripts.lib.samples.requests import Requests, lacking, stands, tokens
from scripts.lib.samples.store import KEY, Gone, Store, prompt_key

QUESTIONS = ("one", "three", "two", "four and more")


def prompts():
    found = [Prompt("text", question, partial(range, len(question))) for question in QUESTIONS]
    return {prompt_key(prompt.form, prompt.text): prompt for prompt in found}


@pytest.fixture
def requests():
    return Requests(prompts(), draws([0.7, 0.1, 0.0], 2, 2, 5), 3).longest_last(np.ones(20, bool))[0]


@pytest.fixture
def partition(tmp_path):
    return Store(tmp_path / "store").partition("sha256:abc", {"seed": 3})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "b", "d", "b"], [0, 0, 1, 0]),
        (["a", "b", "c", "c", "d", "e", None], [-1, 0, -1, -1, 1, -1, -1]),
        (["d"], [1]),
        ([], []),
    ],
)
def test_values_are_found_where_they_stand(values, expected):
    found = stands(pl.Series(values, dtype=pl.String), pl.Series(["b", "d"]))
    assert found.tolist() == expected and found.dtype == np.int64
    nowhere = stands(pl.Series(values, dtype=pl.String), pl.Series([], dtype=pl.String))
    assert nowhere.tolist() == [-1] * len(values)


def stored(partition, requests, places, text="c"):
    partition.add(rows([(requests[place], Completion(text, "stop", 10 + place, 5)) for place in places], "x"))


def test_requests_and_their_seeds_are_what_they_were(requests):
    """A store of an earlier version holds these draws: none may be paid for again."""
    table = [(each.key, each.prompt.text, each.temperature, each.index, each.seed) for each in requests]
    assert len(table) == len(requests) == 20
    assert [row[1] for row in table[::5]] == ["one", "two", "three", "four and more"]
    assert [row[2:4] for row in table[:3]] == [(0.0, 0), (0.1, 1_000_000), (0.1, 1_000_001)]
    assert hashlib.sha256(repr(table).encode()).hexdigest()[:16] == "ffb1d19335c1d297"


def test_one_or_some_are_taken(requests):
    assert requests[3:5] == [requests[3], requests[4]] and requests[-1] == list(requests)[19]
    with pytest.raises(IndexError):
        requests[20]


def test_only_what_is_taken_is_made(requests, partition, monkeypatch):
    made = []
    monkeypatch.setattr(module, "seed_of", lambda *of: made.append(of) or 0)
    stored(partition, requests, range(19))
    made.clear()
    missing = lacking(partition, requests)
    assert np.flatnonzero(missing).tolist() == [19] and made == []
    assert requests[19].index == 1_000_001 and len(made) == 1


def test_rows_of_other_prompts_and_draws_have_no_place(requests):
    keys = [(requests.keys[1], 0.1, 1_000_001), (requests.keys[1], 0.1, 7), ("b" * 32, 0.1, 1_000_001)]
    keys += [(requests.keys[1], 0.2, 1_000_001), (requests.keys[3], 0.0, 0)]
    found = requests.places(pl.DataFrame(keys, schema=KEY, orient="row"))
    assert found.tolist() == [7, -1, -1, -1, 15]


def test_what_others_claim_is_left_out_whatever_else_they_want(requests):
    """Of another set of prompts and draws, in another order."""
    names = ["four and more", "five", "one"]
    others = Requests(
        {prompt_key("text", name): Prompt("text", name) for name in names}, draws([0.1, 0.3, 0.0], 1, 2, 0), 3
    )
    wanted = np.array([each.temperature != 0.0 for each in others])
    left, saved = np.arange(20) != 1, others.claimed(wanted)
    requests.leave_out(left, saved)
    claimed = {(each.key, each.temperature, each.index) for each in others if each.temperature != 0.0}
    expected = [(each.key, each.temperature, each.index) not in claimed for each in requests]
    expected[1] = False
    assert left.tolist() == expected and expected.count(False) == 2
    assert saved["bits"].nbytes == 2, "a bit each: nine requests"


def test_tokens_of_what_is_stored_count_once(requests, partition):
    stored(partition, requests, [0, 1])
    stored(partition, requests, [1, 2], "of another start")
    other = Requests(prompts(), draws([0.5], 2, 1, 0), 3)
    stored(partition, other, [0])
    missing = lacking(partition, requests)
    assert np.flatnonzero(~missing).tolist() == [0, 1, 2] and tokens(partition, requests, missing) == (15, 33)
    assert tokens(partition, requests, np.full(20, True)) == (0, 0)


def test_a_part_merged_meanwhile_is_looked_up_again(requests, partition, monkeypatch):
    stored(partition, requests, range(4))
    real, failed = type(partition).rows, []

    def rows(self, columns):
        yield from real(self, columns)
        if not failed:
            failed.append(True)
            raise Gone

    monkeypatch.setattr(type(partition), "rows", rows)
    assert tokens(partition, requests, lacking(partition, requests)) == (20, 46)
