"""What a plan says before its jobs: the models and their GPUs, and which settings are not the method's
defaults."""

from __future__ import annotations

import os
import textwrap
from typing import Any

from scripts.lib.config.layers import DEFAULTS, Layers
from scripts.lib.config.models import Model
from scripts.lib.config.provenance import Setting, blocks_of, resolved
from scripts.lib.config.whole import Config

WIDTH = 110


def overview(config: Config, layers: Layers, rows: list[dict]) -> str:
    """A line for each model, and each server that the config could send a key to; then for each block the
    settings that differ from the method's defaults, by their file."""
    lines = ["models"]
    for kind in ("teacher", "student"):
        blocks = getattr(config, f"{kind}s")
        served = [name for name in blocks if getattr(blocks[name], "server", None)]
        for name in dict.fromkeys([*(row[kind] for row in rows), *served]):
            lines.append(f"  {kind}s.{name}: {_model(blocks[name])}")
    lines += ["", f"settings other than the method's defaults ({DEFAULTS}; every one: --settings <variant>)"]
    differing: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        for setting in resolved(config, layers, row):
            if setting.own:
                kind, name, *key = setting.path
                differing.setdefault((kind, name, setting.origin), {})[
                    ".".join(key).removeprefix("training.")
                ] = setting.value
    for (kind, name, origin), values in differing.items():
        said = ", ".join(f"{key} {shown(value)}" for key, value in values.items())
        lines += textwrap.wrap(
            f"{kind}.{name}: {said} ({origin})", WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    return "\n".join(lines if differing else [*lines, "  none"])


def settings_table(config: Config, layers: Layers, rows: list[dict]) -> str:
    """Every setting of each row, but for its seed, with its value and where that comes from."""
    lines, told = [], set()
    for row in rows:
        names = tuple(row[key] for key in ("dataset", "teacher", "student", "variant"))
        if names in told:
            continue
        told.add(names)
        lines += [" / ".join(names)]
        for kind, name in blocks_of(config, row):
            lines += ["", f"{kind}.{name}"]
            lines += _table([each for each in resolved(config, layers, row) if each.path[:2] == (kind, name)])
        lines.append("")
    return "\n".join(lines)


def _table(settings: list[Setting]) -> list[str]:
    cells = [(".".join(each.path[2:]), shown(each.value), each.origin) for each in settings]
    widths = [max(len(row[at]) for row in cells) for at in (0, 1)]
    return [f"  {key:{widths[0]}}  {value:{widths[1]}}  {origin}" for key, value, origin in cells]


def shown(value: Any) -> str:
    """A value as a config says it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _model(block: Model) -> str:
    """Which model it is, how large, and on how many GPUs it runs."""
    if server := getattr(block, "server", None):
        key = server.api_key_env
        sent = f"the key in {key}" if os.environ.get(key) else f"no key ({key} is not set)"
        return f"{block.model}: asked at {server.url()} with {sent}"
    name = block.model or (f"{block.pretrained}, made here" if block.pretrained else "imported samples")
    if block.billions is None:
        return name
    size = f"{block.billions:.3g}e9" if block.billions >= 0.1 else f"{1000 * block.billions:.2g}e6"
    gpus = f"{block.gpus} GPU{'s' * (block.gpus != 1)}" if block.gpus else "no GPU"
    return f"{name}: {size} parameters, {block.dtype}, {gpus}"
