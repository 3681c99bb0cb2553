"""How many parameters a model has: counted in its weights, or computed from its `config.json`."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path

from scripts.lib.errors import UserError

GATED = {
    "gemma", "gemma2", "gemma3_text", "granite", "llama", "mistral", "mixtral", "olmo2", "phi3", "qwen2",
    "qwen3",
    "qwen3_moe", "smollm3",
}  # fmt: skip
"""Architectures (`model_type`) with grouped attention and an MLP of three matrices, and no other matrix of
size."""
TIED = {"gemma", "gemma2", "gemma3_text"}
"""Of these, those whose output is the embedding unless `tie_word_embeddings` says otherwise."""


def billions(model: str, revision: str | None = None) -> float | None:
    """Parameters in 1e9 of a folder, or of a hub model as far as the hub's cache holds it; None where it
    cannot be known."""
    folder = Path(model) if Path(model).is_dir() else cached(model, revision)
    if folder is None:
        return None
    config = folder / "config.json"
    settings = json.loads(config.read_text()) if config.is_file() else {}
    # Quantised weights hold several parameters in one number.
    found = None if "quantization_config" in settings else counted(folder)
    return found if found is not None else computed(settings)


def cached(model: str, revision: str | None = None) -> Path | None:
    """The folder of a hub model in the hub's cache; None where it is not there."""
    home = Path(
        os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    )
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    repository = cache / f"models--{model.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = repository / "snapshots" / (commit or "main")
    return snapshot if snapshot.is_dir() else None


def counted(folder: Path) -> float | None:
    """Parameters in 1e9 by the headers of a folder's safetensors files; None where they are not all there."""
    index = folder / "model.safetensors.index.json"
    names = json.loads(index.read_text())["weight_map"].values() if index.is_file() else ["model.safetensors"]
    files = [folder / name for name in sorted(set(names))]
    if not all(file.is_file() for file in files):
        return None
    return sum(_elements(file) for file in files) / 1e9


def _elements(file: Path) -> int:
    return sum(math.prod(tensor["shape"]) for tensor in tensors(file).values())


def tensors(file: Path) -> dict[str, dict]:
    """The tensors of a safetensors file by its header: dtype, shape, data_offsets.

    Raises UserError for a file that is cut off, longer than its tensors, or something else.
    """
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, file.stat().st_size)))
        found = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        end = max((tensor["data_offsets"][1] for tensor in found.values()), default=0)
        if file.stat().st_size == 8 + length + end:
            return found
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, struct.error):
        pass
    raise UserError(
        f"{file} is no whole safetensors file: cut off, or something else (a pointer of Git LFS, a page of a "
        "server); delete it, and make or fetch the model again"
    )


def computed(config: dict) -> float | None:
    """Parameters in 1e9 by the shapes in a `config.json`; None for an architecture that is not one of
    `GATED`.

    Matrices only: norms, biases and routers are under a thousandth.
    """
    kind = config.get("model_type")
    if kind not in GATED:
        return None
    width, heads = config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or width // heads
    attention = 2 * width * head * (heads + config.get("num_key_value_heads", heads))
    experts = config.get("num_local_experts") or config.get("num_experts") or 1
    mlp = 3 * width * (config.get("moe_intermediate_size") or config["intermediate_size"]) * experts
    embeddings = config["vocab_size"] * width * (1 if config.get("tie_word_embeddings", kind in TIED) else 2)
    return (embeddings + config["num_hidden_layers"] * (attention + mlp)) / 1e9
