import errno
import multiprocessing
import os
import signal
import time
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.errors import UserError
from scripts.lib.samples import store as module
from scripts.lib.samples.store import KEY, ROWS, VERSION, Store, prompt_key

SAMPLING = {"top_p": 1.0, "max_tokens": 8, "stop": [], "seed": 0, "dtype": "float32"}


def rows(prompts, index=(0,), temperature=0.7, text="c"):
    table = [(p, temperature, i, f"{text} {p} {i}", "stop", 3, 5, "test", p) for p in prompts for i in index]
    table = [(*row, f"thought {row[2]}", 1) for row in table]
    return pl.DataFrame(table, schema=ROWS, orient="row")


@pytest.fixture
def partition(tmp_path):
    return Store(tmp_path / "store").partition("sha256:abc", SAMPLING)


def parts(partition):
    return sorted(partition.folder.glob("part-*.parquet"))


def test_what_was_added_is_found_and_nothing_else(partition):
    partition.add(rows(["a", "b"], range(3)))
    partition.add(rows(["a"], temperature=1.0))
    wanted = rows(["a", "c"], range(4)).select(list(KEY))
    assert partition.find(wanted).equals(rows(["a"], range(3)))
    assert partition.find(wanted, texts=False).columns == list(KEY)
    assert partition.find(wanted.clear()).schema == pl.Schema(ROWS)


def test_a_reopened_store_has_the_same_rows(partition, tmp_path):
    partition.add(rows(["a"]))
    again = Store(tmp_path / "store").partition("sha256:abc", dict(reversed(SAMPLING.items())))
    assert again.find(rows(["a"])).height == 1


@pytest.mark.parametrize("change", [{"seed": 1}, {"max_tokens": 9}, {"stop": ["Q:"]}, {"dtype": "bfloat16"}])
def test_other_sampling_is_another_place(partition, tmp_path, change):
    partition.add(rows(["a"]))
    assert Store(tmp_path / "store").partition("sha256:abc", SAMPLING | change).find(rows(["a"])).is_empty()
    assert Store(tmp_path / "store").partition("sha256:abd", SAMPLING).find(rows(["a"])).is_empty()


def test_the_first_writer_wins_before_and_after_compaction(partition, monkeypatch):
    partition.add(rows(["a", "b"], text="first"))
    partition.add(rows(["b", "c"], text="second"))
    wanted = rows(["a", "b", "c"])
    before = partition.find(wanted)
    assert before["completion"].to_list() == ["first a 0", "first b 0", "second c 0"]
    monkeypatch.setattr(module, "_COMPACT", 2)
    partition.compact()
    assert len(parts(partition)) == 1 and partition.find(wanted).equals(before)
    partition.add(rows(["b"], text="third"))
    partition.compact()
    assert partition.find(wanted).equals(before)


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_part_loses_its_own_rows_only(partition, capsys, damage):
    partition.add(rows(["a"]))
    partition.add(rows(["b"]))
    victim = parts(partition)[0]
    content = bytearray(victim.read_bytes())
    if damage == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    else:
        victim.write_bytes(b"")
    assert partition.find(rows(["a", "b"]))["prompt_key"].to_list() == ["b"]
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1 and "is damaged" in warning and "part-" in warning
    partition.add(rows(["a"]))
    assert partition.find(rows(["a", "b"])).height == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda part, _: part.rename(part.with_name("part-mine.parquet")),
            "has a name that the store does not",
        ),
        (
            lambda part, content: _named(part, pl.DataFrame({"prompt_key": ["a"], "secret": [1]})),
            "has other columns than the store's",
        ),
        (
            lambda part, content: _named(
                part, pl.read_parquet(content).with_columns(pl.lit("x").alias("index"))
            ),
            "has other columns than the store's",
        ),
    ],
)
def test_what_is_not_ours_is_left_alone(partition, capsys, make, words):
    """Where several share a store: neither renamed nor removed, told once, and the rest is read."""
    partition.add(rows(["a"]))
    partition.add(rows(["b"]))
    part = parts(partition)[0]
    make(part, part.read_bytes())
    before = sorted(path.name for path in partition.folder.iterdir())
    for _ in range(2):
        assert partition.find(rows(["a", "b"]))["prompt_key"].to_list() == ["b"]
    assert sorted(path.name for path in partition.folder.iterdir()) == before
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1 and f"{words}" in warning and "count as missing" in warning


def _named(part, table):
    """A part of this content under the name that it would have."""
    table.write_parquet(part)
    part.rename(part.with_name(f"{part.name[:-24]}{sha256(part.read_bytes()).hexdigest()[:16]}.parquet"))


@pytest.mark.parametrize("denied", ["read_bytes", "replace"])
def test_another_users_part_is_no_traceback(partition, capsys, monkeypatch, denied):
    partition.add(rows(["a"]))
    partition.add(rows(["b"]))
    victim, real = parts(partition)[0], getattr(Path, denied)
    victim.write_bytes(b"damaged")

    def deny(self, *more):
        if self == victim:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self, *more)

    monkeypatch.setattr(Path, denied, deny)
    assert partition.find(rows(["a", "b"]))["prompt_key"].to_list() == ["b"]
    said = capsys.readouterr().err
    assert ("not yours to read" in said or "cannot be moved aside" in said) and victim.exists()


def test_a_part_merged_meanwhile_is_looked_up_again(partition, monkeypatch):
    partition.add(rows(["a"]))
    partition.add(rows(["b"]))
    monkeypatch.setattr(module, "_COMPACT", 2)
    read, compacted = module._read, []

    def slow(part, columns):
        if not compacted:
            compacted.append(True)
            partition.compact()
        return read(part, columns)

    monkeypatch.setattr(module, "_read", slow)
    assert partition.find(rows(["a", "b"])).height == 2


def test_what_is_written_while_parts_are_merged_comes_after_them(partition, monkeypatch):
    partition.add(rows(["a"], text="first"))
    partition.add(rows(["b"]))
    monkeypatch.setattr(module, "_COMPACT", 2)
    stamp = module._stamp

    def beside() -> str:
        monkeypatch.setattr(module, "_stamp", stamp)
        partition.add(rows(["a"], text="second"))
        return stamp()

    monkeypatch.setattr(module, "_stamp", beside)
    partition.compact()
    assert len(parts(partition)) == 2
    assert partition.find(rows(["a"]))["completion"].to_list() == ["first a 0"]


def test_a_full_disk_leaves_the_store_valid(partition, monkeypatch):
    partition.add(rows(["a"]))

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="no space is left for the sample store"):
            partition.add(rows(["b"]))
    assert sorted(item.name[:4] for item in partition.folder.iterdir()) == ["key.", "part"]
    assert partition.find(rows(["a", "b"])).height == 1


def test_another_version_stops_with_one_line(tmp_path):
    (tmp_path / "VERSION").write_text("redistill sample store 99\n")
    with pytest.raises(UserError, match="another version .*99"):
        Store(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not a sample store"):
        Store(tmp_path)
    (tmp_path / "notes.txt").unlink()
    Store(tmp_path)
    assert (tmp_path / "VERSION").read_text() == VERSION


def test_prompt_keys_tell_text_from_chat():
    assert prompt_key("text", "a") == prompt_key("text", "a") != prompt_key("chat", "a")


def _writer(root, name):
    module._COMPACT = 4
    partition = Store(root).partition("sha256:abc", SAMPLING)
    for i in range(12):
        partition.add(rows([f"{name}{i}", f"shared{i}"], text=name))
        partition.compact()


def test_many_writers_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_writer, args=(tmp_path / "store", name)) for name in "xyz"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    wanted = rows([f"{name}{i}" for name in ("x", "y", "z", "shared") for i in range(12)])
    partition = Store(tmp_path / "store").partition("sha256:abc", SAMPLING)
    found = partition.find(wanted)
    assert found.height == wanted.height
    assert partition.find(wanted).equals(found)
    assert not list((tmp_path / "store").rglob("*.damaged"))


def test_a_part_that_a_changing_folder_hid_is_found(partition, monkeypatch):
    """A listing made while parts are merged may show neither them nor the part they become."""
    partition.add(rows(["big"]))
    partition.add(rows(["a"]))
    partition.add(rows(["b"]))
    listed, hidden = type(partition)._parts, []

    def parts(self):
        found = listed(self)
        if not hidden:
            hidden.extend(found[1:])
            return found[:1]
        return found

    monkeypatch.setattr(type(partition), "_parts", parts)
    assert partition.find(rows(["a", "b"])).height == 2


def _shard(root, name, count, acknowledged):
    """Add parts and merge them, and say of each row when it is safe."""
    module._COMPACT = 4
    partition = Store(root).partition("sha256:abc", SAMPLING)
    with acknowledged.open("a") as file:
        for i in range(count):
            partition.add(rows([f"{name}{i}"], text=name))
            file.write(f"{name}{i}\n")
            file.flush()
            if i % 3 == 0:
                partition.compact()


@pytest.mark.slow
def test_shards_readers_and_a_kill_lose_nothing_that_was_safe(tmp_path):
    context = multiprocessing.get_context("spawn")
    said = {name: tmp_path / f"{name}.txt" for name in "xyzk"}
    workers = {
        name: context.Process(
            target=_shard, args=(tmp_path / "store", name, 10_000 if name == "k" else 40, path)
        )
        for name, path in said.items()
    }
    for path in said.values():
        path.touch()
    for worker in workers.values():
        worker.start()
    victim = workers.pop("k")
    partition = None
    while any(worker.is_alive() for worker in workers.values()) or victim.is_alive():
        safe = [line for path in said.values() for line in path.read_text().split()]
        if safe:
            partition = partition or Store(tmp_path / "store").partition("sha256:abc", SAMPLING)
            found = set(partition.find(rows(safe))["prompt_key"])
            assert set(safe) <= found, "a row that was safe is not found while others merge"
        if victim.is_alive() and len(said["k"].read_text().split()) > 20:
            os.kill(victim.pid, signal.SIGKILL)
            victim.join()
        time.sleep(0.05)
    assert [worker.exitcode for worker in workers.values()] == [
        0,
        0,
        0,
    ] and victim.exitcode == -signal.SIGKILL
    safe = [line for path in said.values() for line in path.read_text().split()]
    partition.compact()
    assert set(safe) <= set(partition.find(rows(safe))["prompt_key"]) and len(safe) > 140
    assert not list((tmp_path / "store").rglob("*.damaged"))


def test_merged_parts_are_no_larger_than_memory_allows(partition, monkeypatch):
    for number in range(12):
        partition.add(rows([str(number)], range(50)))
    small = max(part.stat().st_size for part in parts(partition))
    monkeypatch.setattr(module, "_COMPACT", 4)
    monkeypatch.setattr(module, "_SMALL", 4 * small)
    before = partition.find(rows(map(str, range(12)), range(50)))
    partition.compact()
    assert 3 <= len(parts(partition)) <= 4
    assert partition.find(before).equals(before)
