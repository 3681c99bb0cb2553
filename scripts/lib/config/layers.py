"""Config files, each merged over those before it, and all over the method's defaults."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.errors import UserError

DEFAULTS = Path("config/config.yaml")
WORLD = Path("config/world.yaml")
"""What is read over `DEFAULTS` where no config file is given."""


def read(*files: Path) -> dict:
    """The settings of config files, merged as Snakemake does it. Raises UserError for a file that is no YAML of keys."""
    merged: dict = {}
    for file in (DEFAULTS, *files):
        merged = over(merged, load(file))
    return merged


def load(file: Path) -> dict:
    """One config file. Raises UserError where it is missing, no YAML, or no keys."""
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; name a config file that exists") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file}: no YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: no keys; a config is blocks of named settings")
    return content


def over(below: Any, above: Any) -> Any:
    """`above` merged over `below`: keys are joined at every depth, all else is replaced."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return copy.deepcopy(above)
    return below | {key: over(below.get(key), value) for key, value in above.items()}
