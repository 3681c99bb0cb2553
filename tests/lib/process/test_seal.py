"""The newest checkpoint that is what was sealed wins; damaged ones are deleted, and said."""

import shutil

import pytest

from scripts.lib.process.seal import SEAL, newest, seal


def checkpoint(folder, step, sealed=True):
    path = folder / f"checkpoint-{step}"
    (path / "part").mkdir(parents=True)
    (path / "weights").write_bytes(b"weights")
    (path / "part" / "moments").write_bytes(b"moments")
    if sealed:
        seal(path)
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "weights").write_bytes(b"weightt"),
        lambda path: (path / "part" / "moments").write_bytes(b"mom"),
        lambda path: (path / "part" / "moments").unlink(),
        lambda path: (path / "foreign").touch(),
        lambda path: (path / SEAL).write_text("{", encoding="utf-8"),
        lambda path: (path / SEAL).write_bytes(b"\xff"),
        lambda path: (path / SEAL).unlink(),
        lambda path: shutil.rmtree(path / "part"),
    ],
)
def test_the_newest_whole_one_wins(tmp_path, capsys, damage):
    good, damaged = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    assert newest(tmp_path.glob("checkpoint-*")) == damaged
    damage(damaged)
    assert newest(tmp_path.glob("checkpoint-*")) == good
    assert sorted(tmp_path.iterdir()) == [good]
    assert capsys.readouterr().err == f"{damaged} is damaged or half written: deleted\n"


def test_of_none_that_is_whole_there_is_none(tmp_path):
    checkpoint(tmp_path, 1, sealed=False)
    assert newest(tmp_path.glob("checkpoint-*")) is None and not any(tmp_path.iterdir())
