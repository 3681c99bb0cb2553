"""Config files, each merged over those before it, and all over the method's defaults."""

from __future__ import annotations

import copy
import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.config.plain import load

DEFAULTS = Path("config/config.yaml")
WORLD = Path("config/world.yaml")
"""What is read over `DEFAULTS` where no config file is given."""
COMMAND_LINE = Path("command line")


@dataclass(frozen=True)
class Layers:
    """What each file says, the first under all others."""

    contents: dict[Path, dict]

    def merged(self) -> dict:
        """The settings, as Snakemake merges them."""
        return functools.reduce(over, self.contents.values(), {})

    def value(self, path: tuple[str | int, ...], file: Path) -> Any:
        """What a file says of a key; None where it says nothing."""
        found: Any = self.contents.get(file)
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def origin(self, path: tuple[str | int, ...]) -> str | None:
        """The file that has the last word on a key, None where none mentions it. An item of a list is its
        list's."""
        names = tuple(itertools.takewhile(lambda part: isinstance(part, str), path))
        for file in reversed(self.contents):
            block = self.value(names[:-1], file)
            if isinstance(block, dict) and names[-1] in block:
                return str(file)
        return None

    def nearest(self, path: tuple[str | int, ...]) -> str:
        """The file that has the last word on a key, or on the block that lacks it. `path` is pydantic's:
        a variant's method stands in it after the name."""
        path = path[:2] + path[3:] if path[0] == "variants" else path
        found = (self.origin(path[:length]) for length in range(len(path), 0, -1))
        return next((file for file in found if file), str(DEFAULTS))


def layers(*files: Path, **given: Any) -> Layers:
    """Config files over `DEFAULTS`, and the settings given on the command line over these.

    Raises UserError for a file that is missing or no plain data.
    """
    contents = {file: load(file) for file in (DEFAULTS, *files)}
    return Layers(contents | ({COMMAND_LINE: given} if given else {}))


def read(*files: Path) -> dict:
    """The settings of config files over `DEFAULTS`. Raises UserError as `layers`."""
    return layers(*files).merged()


def over(below: Any, above: Any) -> Any:
    """`above` merged over `below`: keys are joined at every depth, all else is replaced."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return copy.deepcopy(above)
    return below | {key: over(below.get(key), value) for key, value in above.items()}
