"""Choices that depend on a name and a seed only: not on the order, the number or the company of rows."""

import hashlib

import numpy as np
import polars as pl

GOLDEN = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: the step of splitmix64's counter."""


def content_id(*parts: str) -> str:
    """Sixteen hexadecimal digits that name a text and its parts (their borders count)."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def keys(names: pl.Series, seed: int, purpose: str = "") -> np.ndarray:
    """A uint64 for each string [n]; the same for ever for equal (name, seed, purpose). One Python call per
    row."""
    salt = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest()
    fresh, digests = hashlib.blake2b(digest_size=8, key=salt).copy, []
    for name in names.cast(pl.Binary).to_list():
        digest = fresh()
        digest.update(name)
        digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def mix(*numbers: np.ndarray) -> np.ndarray:
    """One uint64 [n] from several integer columns [n], order counting (splitmix64 rounds)."""
    state = np.zeros(len(numbers[0]), dtype=np.uint64)
    for number in numbers:
        state = scramble((state ^ number.astype(np.uint64)) + np.uint64(GOLDEN))
    return state


def scramble(x: np.ndarray) -> np.ndarray:
    """A uint64 for each uint64 of an array of any shape, one to one: splitmix64's finaliser."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def fractions(names: pl.Series, seed: int, purpose: str = "") -> np.ndarray:
    """A float in [0, 1) for each string [n], uniform over names."""
    return (keys(names, seed, purpose) >> np.uint64(11)) / float(1 << 53)


def held_out(names: pl.Series, share: float, seed: int, purpose: str) -> np.ndarray:
    """Whether each distinct string [n] falls into the held-out `share`, by its hash:
    about that many, not exactly.

    More names never move the old ones, except that of two or more names each side gets at least one:
    the nearest to the limit changes sides where a side would be empty (share 0 holds nothing out).
    """
    places = fractions(names, seed, purpose)
    chosen = places < share
    if share > 0 and len(places) > 1:
        if not chosen.any():
            chosen[places.argmin()] = True
        elif chosen.all():
            chosen[places.argmax()] = False
    return chosen
