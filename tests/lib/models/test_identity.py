import json
import shutil
from types import SimpleNamespace

import pytest

from scripts.lib.errors import UserError
from scripts.lib.models.identity import commit, content, identity, write_identity
from scripts.lib.models.loading import end_token_ids


def folder(tmp_path, name="model", **config):
    path = tmp_path / name
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"weights")
    (path / "config.json").write_text(json.dumps({"hidden_size": 8} | config))
    (path / "tokenizer.json").write_text("{}")
    return path


def test_identity_is_the_content_not_the_path(tmp_path):
    model = folder(tmp_path)
    first = identity(model)
    assert first.startswith("sha256:")
    assert identity(shutil.copytree(model, tmp_path / "elsewhere")) == first
    noise = {"_name_or_path": "x", "transformers_version": "9", "local_files_only": True, "is_local": False}
    assert identity(folder(tmp_path, "other", **noise)) == first
    (model / "training_args.bin").write_bytes(b"noise")
    assert identity(model) == first


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.jinja",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
    ],
)
def test_identity_follows_weights_tokenizer_and_configuration(tmp_path, name):
    model = folder(tmp_path)
    first = identity(model)
    (model / name).write_text('{"changed": 1}')
    second = identity(model)
    (model / name).write_text('{"changed": 2}')
    assert len({first, second, identity(model)}) == 3


@pytest.mark.parametrize("key", ["hidden_size", "rope_theta", "eos_token_id", "dtype", "model_type"])
def test_identity_follows_every_key_of_a_configuration(tmp_path, key):
    one, other = folder(tmp_path, "one", **{key: 1}), folder(tmp_path, "other", **{key: 2})
    assert identity(one) != identity(other)


def test_which_file_holds_what_counts(tmp_path):
    one, other = folder(tmp_path, "one"), folder(tmp_path, "other")
    (one / "vocab.txt").write_text("a")
    (other / "merges.txt").write_text("a")
    assert identity(one) != identity(other)


@pytest.mark.parametrize("name", ["checkpoint", "candidate=4"])
@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("model.safetensors", lambda file: file.write_bytes(b"weightt"), "damaged, cut off or foreign"),
        ("model.safetensors", lambda file: file.write_bytes(b"weigh"), "damaged, cut off or foreign"),
        ("model-2.safetensors", lambda file: file.write_bytes(b"foreign"), "damaged, cut off or foreign"),
        ("tokenizer.json", lambda file: file.write_text('{"a": 1}'), "damaged, cut off or foreign"),
        ("tokenizer.json", lambda file: file.unlink(), "missing"),
        ("config.json", lambda file: file.write_text('{"hidden_size": 9}'), "damaged, cut off or foreign"),
    ],
)
def test_a_file_that_was_not_written_down_is_refused_by_its_name(tmp_path, name, file, damage, said):
    model = folder(tmp_path, name)
    write_identity(model, tmp_path / "identity.json" if name == "checkpoint" else None)
    assert identity(model) == content(model)
    damage(model / file)
    with pytest.raises(UserError, match=rf"{name}/{file} is {said}, by .*; delete .*{name} and run again"):
        identity(model)


@pytest.mark.parametrize(
    "text",
    ["[", "[]", '{"identity": "sha256:0"}', '{"identity": "sha256:0", "files": {}}', '{"files": {"a": "x"}}'],
)
def test_a_damaged_record_is_one_line(tmp_path, text):
    model = folder(tmp_path)
    (model / "identity.json").write_text(text)
    with pytest.raises(UserError, match="identity.json is damaged or foreign; delete it and run again"):
        identity(model)


def test_a_users_model_beside_ours_is_its_own(tmp_path):
    write_identity(folder(tmp_path, "checkpoint"), tmp_path / "identity.json")
    assert identity(folder(tmp_path, "mine", hidden_size=9)).startswith("sha256:")


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_configuration_is_one_line(tmp_path, text):
    model = folder(tmp_path)
    (model / "config.json").write_bytes(text)
    with pytest.raises(UserError, match="config.json is no JSON object: damaged or foreign"):
        identity(model)


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no \\*.safetensors"):
        identity(tmp_path)


def test_an_absent_path_is_an_error():
    with pytest.raises(UserError, match="does not exist"):
        identity("results/models/none/at/all")


def test_a_commit_is_its_own_revision():
    sha = "0123456789abcdef0123456789abcdef01234567"
    assert commit("meta/llama", sha) == sha
    assert identity("meta/llama", sha) == f"meta/llama@{sha}"


def tokenizer(eos=2):
    return SimpleNamespace(eos_token_id=eos)


def test_end_tokens_are_the_tokenizer_s_and_the_generation_config_s():
    assert end_token_ids(tokenizer(), SimpleNamespace(eos_token_id=[5, 2])) == [2, 5]
    assert end_token_ids(tokenizer(), SimpleNamespace(eos_token_id=None)) == [2]
    with pytest.raises(UserError, match="no EOS"):
        end_token_ids(tokenizer(eos=None))
