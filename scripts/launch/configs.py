"""Snakemake reads configs as data: profiles/default, which it reads before them, puts our reader in place.

Its own takes a config that says `__use_yte__` for a template and runs the Python in it, also in a dry run;
it waits for a pipe, and unfolds aliases without end.
"""

import sys
from pathlib import Path

from scripts.lib.config.plain import load
from scripts.lib.errors import UserError


def read(path: str | Path, filetype: str = "Config") -> dict:
    """A config, in place of Snakemake's `_load_configfile`. A wrong one ends the process with one line."""
    try:
        return load(Path(path))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def install() -> None:
    """Have Snakemake read configs by `read` from here on."""
    from snakemake.common import configfile

    configfile._load_configfile = read
