"""A hub model in the hub's cache is held against the hashes that its files are named by, each once."""

import hashlib
import os

import pytest

from scripts.lib.errors import UserError
from scripts.lib.models import fetched
from scripts.lib.models.identity import identity

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS, CONFIG = b"weights" * 99, b'{"hidden_size": 8}'


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """A snapshot as the hub's client keeps it: weights from LFS, the configuration from Git."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository = tmp_path / "hub/models--some--model"
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repository / "blobs").mkdir()
    blobs = {
        "model.safetensors": (hashlib.sha256(WEIGHTS).hexdigest(), WEIGHTS),
        "config.json": (hashlib.sha1(b"blob %d\0" % len(CONFIG) + CONFIG).hexdigest(), CONFIG),
    }
    for name, (blob, content) in blobs.items():
        (repository / "blobs" / blob).write_bytes(content)
        (folder / name).symlink_to(f"../../blobs/{blob}")
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:-1] + b"\x7f"], ids=["cut", "a bit"]
)
@pytest.mark.parametrize("seen", [True, False])
def test_a_damaged_file_is_refused_by_its_name(snapshot, name, damage, seen):
    if seen:
        assert identity("some/model", COMMIT) == f"some/model@{COMMIT}"
    blob = (snapshot / name).resolve()
    blob.write_bytes(damage(blob.read_bytes()))
    os.utime(blob, (1, 1))
    with pytest.raises(UserError, match=rf"{name} is damaged or cut off: .* delete {blob} and run again"):
        identity("some/model", COMMIT)


def test_each_content_is_hashed_once(snapshot, monkeypatch):
    identity("some/model", COMMIT)
    monkeypatch.setattr(fetched, "_hashes", pytest.fail)
    identity("some/model", COMMIT)


def test_files_that_no_hash_names_are_taken_as_they_are(snapshot):
    (snapshot / "tokenizer.json").write_text("{}")
    assert identity("some/model", COMMIT) == f"some/model@{COMMIT}"
