"""A model's folder as it is published, with a card that says where its weights come from."""

import hashlib
import re
import shutil
from pathlib import Path

from scripts.lib.data.files import digest, whole_folder, write_text
from scripts.lib.models.identity import RECORD

TERMS = (
    "Two licences may bind it: that of the model it was trained from, and the terms of the models that wrote "
    "its data. Read both before you pass it on."
)


UNEVALUATED = (
    "Not evaluated here. What a study's report found of this model stands in the card that `snakemake "
    "results/reports/<study>/cards` makes of this one."
)
"""What a card says of test results, which come later than it: in a copy the report's numbers stand there."""


def publish(model: Path, output: Path, text: str) -> None:
    """Copy a model folder to `output`, with a card and without its identity, whole or not at all."""
    with whole_folder(output) as draft:
        shutil.copytree(model, draft, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
        write_text(text, draft / "README.md")


def publish_candidates(candidates: list[Path], output: Path, text: str) -> None:
    """Copy candidates (folders `<word>=<number>`, their identities inside) to `output`, as
    `candidate=<number>`, with a card of all of them, whole or not at all."""
    with whole_folder(output) as draft:
        for folder in candidates:
            shutil.copytree(folder, draft / f"candidate={folder.name.partition('=')[2]}")
        write_text(text, draft / "README.md")


def named(path: Path) -> str:
    """A file or folder of the workflow from its stage on ("queries/dataset=gsm8k/seed=0/train.parquet"),
    without the machine's folders; of any other the last two names."""
    parts = Path(path).parts
    if "results" in parts:
        parts = parts[len(parts) - parts[::-1].index("results") :]
        return "/".join(part for part in parts if part != "checkpoint")
    return "/".join(parts[-2:])


def sha256(path: Path) -> str:
    """Of a file, as `sha256sum` says it; of a folder its `digest`."""
    return digest(path) if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def base_model(model: str | Path) -> str | None:
    """The hub model behind a model: itself, or what the card of its folder names."""
    if not Path(model).is_dir():
        return str(model) if re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", str(model)) else None
    own = Path(model, "README.md")
    found = (
        re.search(r"^base_model: (\S+)$", own.read_text(encoding="utf-8"), re.M) if own.is_file() else None
    )
    return found and found[1]


def card(
    title: str,
    about: str,
    model: str,
    inputs: list[Path],
    settings: dict,
    results: list[dict],
    pipeline: str = "text-generation",
) -> str:
    """The model card: what it was trained from, on which data (names and content hashes), how,
    and how it validated.

    Begins with the hub's metadata. Holds no date, no absolute path and no version,
    so that equal training gives equal bytes. Test results come later: `UNEVALUATED`.
    """
    base = base_model(model)
    head = ["---", "library_name: transformers", f"pipeline_tag: {pipeline}"]
    head += [f"base_model: {base}"] if base and base != "nothing" else []
    head += ["tags:", "- redistill", "- distillation", "---", ""]
    data = [f"| {named(path)} | {sha256(path)[:16]} |" for path in map(Path, inputs)]
    lines = [*head, f"# {title}", "", about, "", f"Trained from: {named(Path(model))}", ""]
    lines += [TERMS, ""] if base != "nothing" else []
    lines += ["## Data", "", "| file | SHA-256, first 16 |", "|---|---|", *data, ""]
    lines += ["## Settings", "", "| setting | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in sorted(settings.items())]
    if results:
        columns = list(results[0])
        lines += ["", "## Validation", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(str(row.get(name, '')) for name in columns)} |" for row in results]
    return "\n".join([*lines, "", "## Evaluation", "", UNEVALUATED]) + "\n"
