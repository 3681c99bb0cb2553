"""What a row of a study resolves to, key by key, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from pydantic import BaseModel

from scripts.lib.config.layers import DEFAULTS, Layers
from scripts.lib.config.whole import Config
from scripts.lib.settings.source import sources
from scripts.lib.settings.step import default as default_of

NAMED = ("dataset", "teacher", "student")
"""The blocks of a row, besides its variant and what that builds on."""
SIZES = {"billions": "the model's files", "tensor_parallel_size": "its size"}
SIZES |= dict.fromkeys(("pipeline_parallel_size", "nodes", "gpus"), "its size")
"""Where a model's keys come from that no file mentions."""


@dataclass(frozen=True)
class Setting:
    """One key of a config, its value, and where that comes from: a file, an override, or the default's
    source."""

    path: tuple[str, ...]
    value: Any
    origin: str
    default: Any = None
    """What the method's defaults say; None where they say nothing."""

    @property
    def own(self) -> bool:
        """Whether it differs from what the method's defaults say."""
        return self.default not in (None, (), [], {}) and self.value != self.default


def blocks_of(config: Config, row: dict) -> list[tuple[str, str]]:
    """The blocks that a row of a study is made of, as (kind, name): its own, its warm-up's, its reward's."""
    found = [(f"{kind}s", row[kind]) for kind in NAMED]
    waiting = [("variants", row["variant"])]
    while waiting:
        kind, name = waiting.pop(0)
        if (kind, name) in found:
            continue
        found.append((kind, name))
        block = getattr(config, kind)[name]
        for key, target in (("warmup", "variants"), ("reward", "rewards"), ("queries_of", "rewards")):
            if (other := getattr(block, key, None)) is not None:
                waiting.append((target, other))
    return found


def resolved(config: Config, layers: Layers, row: dict) -> list[Setting]:
    """Every setting of a row of a study, overrides applied."""
    found = []
    for kind, name in blocks_of(config, row):
        changed = _overridden(config, layers, kind, row | {kind.removesuffix("s"): name})
        for setting in _walk(getattr(config, kind)[name], (kind, name), layers):
            found.append(replace(setting, **changed.get(setting.path, {})))
    return found


def _overridden(config: Config, layers: Layers, kind: str, names: dict) -> dict[tuple[str, ...], dict]:
    """Values and origins that overrides give to keys of a variant's or a reward's training."""
    changed: dict[tuple[str, ...], dict] = {}
    for number, override in enumerate(config.overrides):
        if kind.removesuffix("s") in override.where and override.holds(names):
            origin = override.reason or f"{layers.origin(('overrides',))}: overrides[{number}]"
            for key, value in override.training.items():
                path = (kind, names[kind.removesuffix("s")], "training", key)
                changed[path] = {"value": value, "origin": origin}
    return changed


def _walk(block: Any, path: tuple[str, ...], layers: Layers, inherited: str = "") -> Iterator[Setting]:
    """The settings of a block and of those in it; `inherited`: the source of a block that no file
    mentions."""
    known = sources(type(block))
    for name, value in vars(block).items():
        here = (*path, name)
        origin = layers.origin(here)
        source = inherited or known.get(name, "")
        if path[0] in ("teachers", "students") and value is not None:
            source = SIZES.get(name, source)
        if isinstance(value, BaseModel) or is_dataclass(value):
            yield from _walk(value, here, layers, "" if origin else source)
            continue
        base = layers.value(here, DEFAULTS)
        default = base if base is not None else default_of(type(block), name)
        yield Setting(here, value, origin or source or "default", default)
