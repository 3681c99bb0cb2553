"""Snakemake reads configs as data: profiles/default, which it reads before them, puts our reader in place.

Its own takes a config that says `__use_yte__` for a template and runs the Python in it, also in a dry run;
it waits for a pipe, and unfolds aliases without end. A disk that is full is found here, too, before Snakemake
opens its log.
"""

from pathlib import Path

from scripts.lib.config.plain import load
from scripts.lib.errors import one_line
from scripts.lib.runs.room import require_room


def read(path: str | Path, filetype: str = "Config") -> dict:
    """A config, in place of Snakemake's `_load_configfile`. A wrong one ends the process with one line."""
    with one_line():
        return load(Path(path))


def install() -> None:
    """Have Snakemake read configs by `read` from here on, in a folder that takes its files."""
    from snakemake.common import configfile

    with one_line():
        require_room()
    configfile._load_configfile = read
