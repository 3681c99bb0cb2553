import numpy as np
import polars as pl

from scripts.lib.data.hashing import GOLDEN, content_id, fractions, held_out, keys, mix, scramble


def test_the_finaliser_is_splitmix64s():
    """The generator's first three numbers from seed 0, as Vigna's splitmix64.c prints them."""
    counter = np.arange(1, 4, dtype=np.uint64) * np.uint64(GOLDEN)
    assert [f"{n:016x}" for n in scramble(counter)] == [
        "e220a8397b1dcdaf",
        "6e789e6aa1b965f4",
        "06c45d188009454f",
    ]


def test_hashes_never_change():
    """Files that exist depend on these numbers."""
    assert content_id("What is 1 + 1?") == "f45800b09d9cf0aa"
    assert keys(pl.Series(["a", "b"]), 0, "x").tolist() == [3292338136003318622, 13644186575490155303]
    assert mix(np.array([1, 2]), np.array([3, 4])).tolist() == [9716232063330790915, 16092610645815098345]


def test_borders_seed_and_purpose_count():
    assert content_id("ab", "c") != content_id("a", "bc")
    names = pl.Series(["a"])
    assert len({keys(names, 0).item(), keys(names, 1).item(), keys(names, 0, "x").item()}) == 3
    assert mix(np.array([1]), np.array([2])).item() != mix(np.array([2]), np.array([1])).item()


def test_fractions_are_uniform():
    places = fractions(pl.Series([f"q{i}" for i in range(10_000)]), 0)
    assert places.min() >= 0 and places.max() < 1
    assert abs(places.mean() - 0.5) < 0.01 and abs(places.std() - 12**-0.5) < 0.01


def test_held_out_is_stable_and_leaves_no_side_empty():
    names = pl.Series([f"q{i}" for i in range(2000)])
    chosen = held_out(names, 0.1, 0, "validation")
    assert (held_out(names[:500], 0.1, 0, "validation") == chosen[:500]).all()
    assert 150 < chosen.sum() < 250
    for share in (0.001, 0.999):
        assert 0 < held_out(names[:3], share, 0, "validation").sum() < 3
    assert not held_out(names, 0.0, 0, "validation").any()
