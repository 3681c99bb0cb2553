"""Which model this is: identities by content, that never depend on a path.

What trains or makes a model writes its identity beside its folder, or into it where one folder holds several
models, and what each of its files is. Whoever asks a model's identity before it is sampled or trained from
holds the files against that: a damaged, cut off or foreign one ends in one line. So do a hub model's files in
the hub's cache, by the hashes that they are named by.
"""

import hashlib
import json
import re
from pathlib import Path

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError
from scripts.lib.models.fetched import hold_fetched
from scripts.lib.models.size import cached

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
RECORD = "identity.json"
_FOLDER = "checkpoint"
"""A folder of this name has its record beside it, any other inside."""
FETCHED = ("is_local", "local_files_only")
"""Keys of a tokenizer's configuration that say how it was fetched (the second whether HF_HUB_OFFLINE was
set)."""
_NOISE = ("_name_or_path", "transformers_version", "name_or_path", *FETCHED)
"""Keys of configuration files that say where, by what and from where they were written, not what the model
does."""


def identity(model: str | Path, revision: str | None = None) -> str:
    """The model's name by content: `content` of a folder, or "<hub id>@<commit>".

    A branch or tag of a hub model is resolved to its commit. Raises UserError when the folder is no model or
    not the one that was written down, or the hub model cannot be resolved or is damaged in the hub's cache.
    """
    folder = Path(model)
    if not folder.is_dir():
        found = commit(str(model), revision)
        if snapshot := cached(str(model), found):
            hold_fetched(_kept(snapshot))
        return f"{model}@{found}"
    record = (folder.parent if folder.name == _FOLDER else folder) / RECORD
    files = _files(folder)
    if record.is_file() and files != (noted := _noted(record)):
        wrong = min(name for name in files.keys() | noted.keys() if files.get(name) != noted.get(name))
        how = "damaged, cut off or foreign" if wrong in files else "missing"
        raise UserError(f"{folder / wrong} is {how}, by {record}; delete {folder} and run again")
    return _total(files)


def content(folder: Path) -> str:
    """A model folder's "sha256:<hash>", of weights, configuration and tokenizer.

    Two folders with equal files are one model; a retrained checkpoint is another. Raises UserError when the
    folder lacks weights or configuration, or one of its files cannot be read.
    """
    return _total(_files(folder))


def write_identity(model: Path, path: Path | None = None) -> None:
    """Write down what a model folder's files are, so that equal weights re-run nothing and others are
    refused: {"identity": "sha256:...", "files": {name: SHA-256}}; by default inside the folder."""
    files = _files(model)
    write_json({"identity": _total(files), "files": files}, path or model / RECORD)


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of each of a model's files."""
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{folder} holds no *.safetensors weights; run the rule that trains this model")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no config.json; run the rule that trains this model")
    return {file.name: _content(file).hex() for file in _kept(folder)}


def _kept(folder: Path) -> list[Path]:
    """A model's files, sorted."""
    return sorted({file for pattern in _FILES for file in folder.glob(pattern) if file.is_file()})


def _total(files: dict[str, str]) -> str:
    total = hashlib.sha256()
    for name, found in files.items():
        total.update(name.encode() + b"\0" + bytes.fromhex(found))
    return f"sha256:{total.hexdigest()}"


def _content(file: Path) -> bytes:
    try:
        if file.suffix == ".json" and file.name.endswith("config.json"):
            settings = json.loads(file.read_text(encoding="utf-8"))
            settings = {key: value for key, value in settings.items() if key not in _NOISE}
            return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).digest()
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); make it readable") from None
    except (AttributeError, ValueError, RecursionError):
        raise UserError(
            f"{file} is no JSON object: damaged or foreign; delete its folder and make the model again"
        ) from None


def _noted(record: Path) -> dict[str, str]:
    """What `write_identity` wrote. Raises UserError where that cannot be read, or was not written by it."""
    try:
        noted = json.loads(record.read_bytes())
        files = {str(name): str(found) for name, found in noted["files"].items()}
        if _total(files) == noted["identity"]:
            return files
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise UserError(f"{record} is damaged or foreign; delete it and run again")


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
