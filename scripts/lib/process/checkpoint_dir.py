"""Training state outside the declared outputs: it survives a kill, and a change of parameters never resumes
it.

Snakemake deletes a rule's outputs before it runs the rule again; checkpoints therefore live in a folder of
their own, named by a hash of everything that shapes the training.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.data.files import digest


@contextmanager
def training_state(root: Path, step: str, parameters: dict, inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield `root/step/<key>`, keyed by the parameters (JSON values, models by identity) and the contents of
    the input files; removed on success."""
    identity = {"parameters": parameters, "inputs": [digest(path) for path in inputs]}
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:24]
    folder = Path(root) / step / key
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)
