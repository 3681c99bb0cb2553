"""What every block of the config is made of."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from scripts.lib.errors import UserError, shown
from scripts.lib.models.identity import HUB_ID
from scripts.lib.tasks import check_task


def _known_task(name: str) -> str:
    try:
        check_task(name)
    except UserError as error:
        raise ValueError(str(error)) from None
    return name


Task = Annotated[str, AfterValidator(_known_task)]


def _name(text: str) -> str:
    if not re.fullmatch(r"(?![.-])[\w.-]{1,100}", text) or len(text.encode()) > 200:
        raise ValueError(
            f"{shown(text)} is no name; use letters, digits, `_`, `.` and `-`, at most 100, none of the last "
            "two first"
        )
    if found := re.search(r"(.+?)\1{19}", text):
        raise ValueError(
            f"{shown(text)} is no name; it repeats {found[1]!r} so often that Snakemake takes it for a loop"
        )
    return text


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", text):
        raise ValueError(f"{shown(text)} is no commit; give the full hash, 40 digits and letters from a to f")
    return text


def _revision(text: str) -> str:
    if not re.fullmatch(r"(?![./-])[\w./+-]{1,200}", text):
        raise ValueError(f"{shown(text)} is no revision; give the full commit hash, a tag or a branch")
    return text


def _hub_id(text: str) -> str:
    if not HUB_ID.fullmatch(text):
        raise ValueError(f"{shown(text)} is no name on the hub; give one such as openai/gsm8k")
    return text


def _folder(path: Path) -> Path:
    first = next(here for here in (path, *path.absolute().parents) if here.exists())
    if path == Path():
        raise ValueError("names no folder of its own; name one, which is made when it is needed")
    writable = first == path or (
        os.access(first, os.W_OK) and os.statvfs(first).f_blocks
    )  # /proc has no room
    if not first.is_dir() or not writable:
        why = "no folder" if not first.is_dir() else "not yours to write into"
        raise ValueError(f"{shown(str(first))} is {why}; name a folder, which is made when it is needed")
    if str(path).startswith("-"):
        raise ValueError(f"{shown(str(path))} would be taken for a flag; rename it")
    return path


Folder = Annotated[Path, AfterValidator(_folder)]
"""Of what outlives a run."""
Name = Annotated[str, AfterValidator(_name)]
"""Of a block, or a file of ours: it stands in paths, commands and SLURM's job names."""
Commit = Annotated[str, AfterValidator(_commit)]
Revision = Annotated[str, AfterValidator(_revision)]
HubId = Annotated[str, AfterValidator(_hub_id)]


class Block(BaseModel):
    """A block of the config: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, defer_build=True
    )
