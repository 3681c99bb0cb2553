"""Training state outside the declared outputs: it survives a kill, the end of its job, and a lost output; a
change of parameters never resumes it.

Snakemake deletes a rule's outputs before it runs the rule again; checkpoints therefore live in a folder of
their own, named by a hash of everything that shapes the training. One start works in it at a time. When it is
done, what it has made stays in `made` (as hard links where the file system has them: it takes no room), until
a run has ended well: a job that was lost after its step had ended is made from there.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.data.files import digest, whole_file, whole_folder, write_json
from scripts.lib.process.lease import lease, leave_at_once

LEASE, MADE, RECORD = "lease", "made", "made.json"


@contextmanager
def training_state(
    root: Path,
    step: str,
    parameters: dict,
    inputs: Iterable[Path],
    outputs: Sequence[Path],
    code: str | None,
) -> Iterator[Path | None]:
    """Yield `root/step/<key>`, keyed by the parameters (JSON values, models by identity) and the contents of
    the input files; None where the same code has made all of it before, which lies in `outputs` then.

    Without a word about its code (None) what is made is not kept. Raises UserError where SLURM has started
    the same again meanwhile.
    """
    identity = {"parameters": parameters, "inputs": [digest(path) for path in inputs]}
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:24]
    folder = Path(root) / step / key
    folder.mkdir(parents=True, exist_ok=True)
    with lease(folder / LEASE, outputs[0], leave_at_once):
        if _publish(folder, outputs, code):
            print(f"made before, taken from {folder / MADE}", flush=True)
            yield None
            return
        yield folder
        if code is not None:
            _keep(folder, outputs, code)
    if code is None:
        shutil.rmtree(folder)


def sweep(root: Path) -> int:
    """Remove the state of trainings whose outputs are where they were put; returns how many.

    For a run that has ended well: everything that was to be read has been read.
    """
    records = list(Path(root).glob(f"*/*/{MADE}/{RECORD}"))
    done = [
        path
        for path in records
        if all(Path(output).exists() for output in json.loads(path.read_text(encoding="utf-8"))["outputs"])
    ]
    for path in done:
        shutil.rmtree(path.parent.parent)
    return len(done)


def _keep(folder: Path, outputs: Sequence[Path], code: str) -> None:
    """Put what was made into the state in place of its checkpoints."""
    with whole_folder(folder / MADE, durable=True) as draft:
        for output in outputs:
            _link(output, draft / output.name)
        record = {
            "code": code,
            "outputs": list(map(str, outputs)),
            "digests": {output.name: digest(output) for output in outputs},
        }
        write_json(record, draft / RECORD)
    for other in folder.iterdir():
        if other.is_dir() and other.name not in (LEASE, MADE):
            shutil.rmtree(other)
        elif other.is_file():
            other.unlink()


def _publish(folder: Path, outputs: Sequence[Path], code: str | None) -> bool:
    """Put what is in the state into `outputs`; False, and it is removed, where other code has made it, or
    not all of it is as it was made."""
    made = folder / MADE
    if not made.exists():
        return False
    record = json.loads((made / RECORD).read_text(encoding="utf-8"))
    kept = [made / output.name for output in outputs]
    if record["code"] == code and all(path.exists() for path in kept):
        damaged = [path for path in kept if digest(path) != record["digests"][path.name]]
        if not damaged:
            for path, output in zip(kept, outputs, strict=True):
                with whole_folder(output) if path.is_dir() else whole_file(output) as draft:
                    _link(path, draft)
            return True
        print(f"warning: {damaged[0]} is damaged: this training starts over", file=sys.stderr)
    shutil.rmtree(made)
    return False


def _link(source: Path, target: Path) -> None:
    """The file or folder under another name; copied where it cannot be linked."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_linked, dirs_exist_ok=True)
    else:
        _linked(source, target)


def _linked(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
