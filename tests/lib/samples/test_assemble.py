import polars as pl
import pytest

from scripts.lib.data.tables import SAMPLES, write, write_sorted
from scripts.lib.engines.base import Completion, Prompt
from scripts.lib.errors import UserError
from scripts.lib.samples import assemble as module
from scripts.lib.samples import store
from scripts.lib.samples.assemble import assemble
from scripts.lib.samples.draws import draws
from scripts.lib.samples.fill import rows
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.store import KEY, Gone, Store

DRAWN = draws([0.7, 0.0, 0.3], 3, 1, 4)
KEYED = pl.DataFrame(
    [(f"q{number * 7 % 30:02}", f"p{number % 25:02}") for number in range(30)],
    schema=["query_id", "prompt_key"],
    orient="row",
)
"""Five of thirty queries share their prompt with another one."""


@pytest.fixture
def partition(tmp_path):
    return Store(tmp_path / "store").partition("sha256:abc", {"seed": 0})


@pytest.fixture
def requests():
    return Requests({f"p{number:02}": Prompt("text", str(number)) for number in range(25)}, DRAWN, 0)


def stored(partition, requests, places, text):
    done = [(requests[each], Completion(f"{text} {each} " * 40, "stop", each, 5)) for each in places]
    partition.add(rows(done, "x"))


def expected(partition, number=1):
    """All of it at once, by joins."""
    wanted = KEYED.join(DRAWN, how="cross")
    table = wanted.join(partition.find(wanted), on=list(KEY)).with_columns(round=number)
    return table.select(pl.col(name).cast(kind) for name, kind in SAMPLES.items()).sort(
        "query_id", "sample_id"
    )


@pytest.mark.parametrize("held", [1, 700, 1 << 20], ids=["a row at a time", "some rows", "all at once"])
def test_samples_are_the_same_in_whatever_memory(partition, requests, tmp_path, monkeypatch, held):
    stored(partition, requests, range(100, 175), "first")
    stored(partition, requests, range(110), "second")
    stored(partition, Requests(requests.prompts, draws([0.9], 2, 1, 0), 0), range(20), "another temperature")
    monkeypatch.setattr(module, "HELD", held)
    monkeypatch.setattr(module, "MEMORY", 2 * held)
    monkeypatch.setattr(store, "HELD", held)
    monkeypatch.setattr(store, "_GROUP", 50)
    parts = list(
        assemble(partition, KEYED.sample(fraction=1, shuffle=True, seed=1), DRAWN, 1, tmp_path / "a")
    )
    table = pl.concat(parts)
    assert table.select(list(SAMPLES)).equals(expected(partition)) and table.height == 210
    assert (len(parts) == 1) == (held == 1 << 20)
    once = table.filter("counted")
    assert once.height == 175 and once["num_tokens"].sum() == sum(range(175))
    assert list((tmp_path / "a").iterdir()) == []
    write_sorted((part.select(list(SAMPLES)) for part in parts), tmp_path / "parts.parquet", SAMPLES)
    write(expected(partition), tmp_path / "whole.parquet", SAMPLES)
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize("there", [0, 170])
def test_what_is_missing_is_counted(partition, requests, tmp_path, there):
    stored(partition, requests, range(there), "c")
    left = 210 - expected(partition).height
    with pytest.raises(UserError, match=f"^{left} completions are missing from .*, run again"):
        list(assemble(partition, KEYED, DRAWN, 1, tmp_path))


def test_a_part_merged_meanwhile_is_looked_up_again(partition, requests, tmp_path, monkeypatch):
    stored(partition, requests, range(175), "c")
    real, failed = type(partition).rows, []

    def rows_(self, columns):
        yield from real(self, columns)
        if not failed:
            failed.append(True)
            raise Gone

    monkeypatch.setattr(type(partition), "rows", rows_)
    table = pl.concat(assemble(partition, KEYED, DRAWN, 1, tmp_path))
    assert table.select(list(SAMPLES)).equals(expected(partition))


def test_an_output_that_fails_leaves_what_was_there(partition, requests, tmp_path):
    path = tmp_path / "samples.parquet"
    write_sorted([], path, SAMPLES)
    before = path.read_bytes()
    with pytest.raises(UserError, match="completions are missing"):
        write_sorted(assemble(partition, KEYED, DRAWN, 1, tmp_path), path, SAMPLES)
    assert path.read_bytes() == before
    write(pl.DataFrame(schema=SAMPLES), tmp_path / "none.parquet", SAMPLES)
    assert (tmp_path / "none.parquet").read_bytes() == before
