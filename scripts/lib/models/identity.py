"""Which model this is: identities by content, that never depend on a path."""

import hashlib
import json
import re
from pathlib import Path

from scripts.lib.errors import UserError

HUB_ID = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")
"""What the hub can have as a model's name; anything else is a folder."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_FILES = (
    *_WEIGHTS,
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
)
_NOISE = ("_name_or_path", "transformers_version", "name_or_path")
"""Keys of configuration files that say where and by what they were written, not what the model does."""


def identity(model: str | Path, revision: str | None = None) -> str:
    """The model's name by content: "sha256:<hash>" of a folder's weights, configuration and tokenizer,
    or "<hub id>@<commit>".

    Two folders with equal files are one model; a retrained checkpoint is another. A branch or tag of a hub
    model is resolved to its commit. Raises UserError when the folder lacks weights or the hub model cannot be
    resolved.
    """
    folder = Path(model)
    if not folder.is_dir():
        return f"{model}@{commit(str(model), revision)}"
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{folder} holds no *.safetensors weights; run the rule that trains this model")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no config.json; run the rule that trains this model")
    total = hashlib.sha256()
    for file in sorted({file for pattern in _FILES for file in folder.glob(pattern) if file.is_file()}):
        total.update(file.name.encode() + b"\0" + _content(file))
    return f"sha256:{total.hexdigest()}"


def _content(file: Path) -> bytes:
    if file.suffix == ".json" and file.name.endswith("config.json"):
        settings = {key: value for key, value in json.loads(file.read_text()).items() if key not in _NOISE}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).digest()
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def commit(model: str, revision: str | None = None) -> str:
    """The commit of a hub model: `revision` itself if it is one, else the hub's answer, else the local
    cache's."""
    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    if not HUB_ID.fullmatch(model):
        raise UserError(
            f"model folder {model} does not exist; run the rule that makes it, or name a hub model"
        )
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        return HfApi().model_info(model, revision=revision).sha
    except Exception as error:
        cached = try_to_load_from_cache(model, "config.json", revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        raise UserError(
            f"{model} is neither a folder nor a hub model that can be reached ({type(error).__name__}); "
            "check the name, your access token and the network, or download it first"
        ) from None
