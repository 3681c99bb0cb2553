"""Fetch from the hub, by name and pinned revision: a split of a data set, a file, or a model into the hub's
cache.

The one step that reaches out. With HF_HUB_OFFLINE=1 it takes what the cache holds, or says what to fetch and
where.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from scripts.lib.data.files import whole_file
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli

WEIGHTS = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model", "*.tiktoken"]
"""What of a model's repository is fetched: no pickled weights, no second copy in another format."""


def subset(rows: list[dict], count: int) -> list[int]:
    """The places of the `count` rows whose content has the smallest hash, in their order:
    a choice that is no one's."""
    keys = [hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest() for row in rows]
    return sorted(sorted(range(len(rows)), key=lambda place: (keys[place], place))[:count])


def split_of(
    repo: str, revision: str, name: str | None, split: str, columns: list[str], rows: int | None, path: Path
) -> None:
    """Write a split of a data set as Parquet. Raises UserError for a column that is not there."""
    from datasets import load_dataset

    data = load_dataset(repo, name, split=split, revision=revision)
    lacking = [column for column in columns if column not in data.column_names]
    if lacking:
        raise UserError(
            f"{repo} has no column {lacking[0]!r}; its columns are {', '.join(data.column_names)}"
        )
    if columns:
        data = data.select_columns(columns)
    if rows is not None and rows < len(data):
        data = data.select(subset(data.to_list(), rows))
    data.to_parquet(str(path))
    print(f"{repo}@{revision} {split}: {len(data)} rows", file=sys.stderr)


def file_of(repo: str, revision: str, file: str, path: Path) -> None:
    """Copy a file of a data set's repository."""
    from huggingface_hub import hf_hub_download

    shutil.copyfile(hf_hub_download(repo, file, repo_type="dataset", revision=revision), path)


def model_of(repo: str, revision: str, files: list[str]) -> None:
    """Put files of a model's repository, by their patterns, into the hub's cache."""
    from huggingface_hub import snapshot_download

    folder = snapshot_download(repo, revision=revision, allow_patterns=files, ignore_patterns=["original/*"])
    print(f"{repo}@{revision}: {folder}", file=sys.stderr)


def main(
    repo: str,
    revision: str,
    output: Path | None = None,
    name: str | None = None,
    split: str | None = None,
    file: str | None = None,
    columns: tuple[str, ...] = (),
    rows: int | None = None,
) -> None:
    """Fetch a split or a file of a data set into `output`; without an output, a model or a file of it into
    the cache.

    Args:
        repo: Hub id.
        revision: Commit hash.
        output: Where the split (Parquet) or the file goes.
        name: Configuration of the data set.
        split: Split to write.
        file: File of the repository to copy, or of a model to fetch alone.
        columns: Columns of the split to keep; none: all.
        rows: Rows of the split to keep, those of the smallest hash; default: all.
    """
    if output is not None and (split is None) == (file is None):
        raise UserError("give a split or a file of the data set, exactly one")
    try:
        if output is None:
            model_of(repo, revision, [file] if file else WEIGHTS)
        else:
            with whole_file(output) as draft:
                if file is not None:
                    file_of(repo, revision, file, draft)
                elif split is not None:
                    split_of(repo, revision, name, split, list(columns), rows, draft)
    except UserError:
        raise
    except Exception as error:
        where = (
            "HF_HUB_OFFLINE is set and the cache does not hold it: run `make prefetch CONFIG=... STUDY=...` "
            "where there is a network"
            if os.environ.get("HF_HUB_OFFLINE")
            else "check the name, the revision, the network, and for gated repositories the licence and "
            "HF_TOKEN"
        )
        raise UserError(f"{repo}@{revision} cannot be fetched ({type(error).__name__}); {where}") from error


if __name__ == "__main__":
    cli(main)
