"""A model's size: counted in its weights, computed from its shapes, or not known."""

import json
import struct
from pathlib import Path

import pytest

from scripts.lib.errors import UserError
from scripts.lib.models.size import billions, computed

HUB = Path("tests/support/hub")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(HUB))


@pytest.mark.parametrize(
    ("model", "revision", "size"),
    [
        ("meta-llama/Llama-3.2-1B-Instruct", None, 1.236),
        ("meta-llama/Llama-3.2-1B-Instruct", "9213176726f574b556790deb65791e0c5aa438b6", 1.236),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "main", 8.03),
    ],
)
def test_a_hub_model_is_read_from_the_cache(hub: None, model: str, revision: str | None, size: float) -> None:
    assert billions(model, revision) == pytest.approx(size, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "revision"), [("no/such", None), ("meta-llama/Llama-3.2-1B-Instruct", "0" * 40)]
)
def test_what_is_not_there_is_not_known(hub: None, model: str, revision: str | None) -> None:
    assert billions(model, revision) is None


SHAPES = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
}


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (SHAPES | {"model_type": "mistral"}, 7.24),
        (SHAPES | {"model_type": "mixtral", "num_local_experts": 8}, 46.7),
        (
            {
                "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48,
                "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128,
                "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936,
            },
            30.5,
        ),
    ],
)  # fmt: skip
def test_shapes_of_published_models(config: dict, size: float) -> None:
    assert computed(config) == pytest.approx(size, rel=2e-3)


def test_an_architecture_that_is_not_known_is_not_guessed() -> None:
    assert computed(SHAPES | {"model_type": "deepseek_v3"}) is None
    assert computed({}) is None


def weights(file: Path, **shapes: list[int]) -> None:
    """A safetensors file with the header of such tensors, without their numbers."""
    header = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()
    }
    text = json.dumps({"__metadata__": {"format": "pt"}} | header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text)


def test_weights_are_counted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "of our own"}')
    weights(tmp_path / "model.safetensors", a=[1000, 1000], b=[500])
    assert billions(str(tmp_path)) == pytest.approx(0.0010005)


def test_weights_in_several_files_count_when_all_are_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "of our own"}')
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    weights(tmp_path / "1.safetensors", a=[1000, 1000])
    assert billions(str(tmp_path)) is None
    weights(tmp_path / "2.safetensors", b=[1000, 1000])
    assert billions(str(tmp_path)) == pytest.approx(0.002)


def test_quantised_weights_are_not_counted(tmp_path: Path) -> None:
    config = SHAPES | {"model_type": "llama", "quantization_config": {"bits": 4}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights(tmp_path / "model.safetensors", packed=[10])
    assert billions(str(tmp_path)) == pytest.approx(7.24, rel=2e-3)


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
        b"",
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x02\0\0\0\0\0\0\0{",
        b'\x2c\0\0\0\0\0\0\0{"a": {"shape": [1], "data_offsets": [0,4]}}123',
    ],
    ids=["pointer", "empty", "no header", "half a header", "cut off"],
)
def test_weights_that_are_none_are_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="model.safetensors is no whole safetensors file: cut off, or some"):
        billions(str(tmp_path))
