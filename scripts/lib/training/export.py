"""Model folders as results: whole or not at all, with a card that says where they come from."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.models import identity
from scripts.lib.state import digest


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Yield a draft beside `output` that takes its place when the block ends without error."""
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        shutil.rmtree(output, ignore_errors=True)
        draft.rename(output)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_lines(rows: list[dict], path: Path) -> None:
    """Write JSON lines, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft.replace(path)


def write_identity(model: Path, path: Path) -> None:
    """Write down what a model folder's weights are, so that equal weights re-run nothing: {"identity": "sha256:..."}."""
    path.write_text(json.dumps({"identity": identity(model)}) + "\n")


def card(title: str, about: str, model: str, inputs: list[Path], settings: dict, results: list[dict]) -> str:
    """The model card: what it was trained from, on which data (names and content hashes), how, and how it validated.

    Holds no date, no absolute path and no version, so that equal training gives equal bytes.
    """
    data = [f"| {path.parent.name}/{path.name} | {digest(path)[:16]} |" for path in map(Path, inputs)]
    lines = [f"# {title}", "", about, "", f"Trained from: {'/'.join(Path(model).parts[-2:])}", ""]
    lines += ["## Data", "", "| file | SHA-256, first 16 |", "|---|---|", *data, ""]
    lines += ["## Settings", "", "| setting | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in sorted(settings.items())]
    if results:
        columns = list(results[0])
        lines += ["", "## Validation", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(str(row.get(name, '')) for name in columns)} |" for row in results]
    return "\n".join(lines) + "\n"
