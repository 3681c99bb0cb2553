"""Training state outside the declared outputs: it survives a kill, and a change of parameters never resumes it.

Snakemake deletes a rule's outputs before it runs the rule again; checkpoints therefore live in a folder of their own,
named by a hash of everything that shapes the training.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's relative names and contents."""
    path = Path(path)
    total = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]:
        total.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


@contextmanager
def training_state(root: Path, step: str, parameters: dict, inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield `root/step/<key>`, keyed by the parameters (JSON values) and the contents of the inputs; removed on success."""
    identity = {"parameters": parameters, "inputs": [digest(path) for path in inputs]}
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:24]
    folder = Path(root) / step / key
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)
