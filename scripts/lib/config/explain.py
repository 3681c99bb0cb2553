"""A complaint of pydantic in one line: where, what, and the nearest right name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from scripts.lib.config.plain import place
from scripts.lib.errors import nearest, shown


def explain(error: Mapping[str, Any], raw: dict, model: type) -> str:
    """One line for pydantic's first complaint: where, what, and the nearest right name for an unknown key."""
    loc = error["loc"]
    if loc and loc[-1] == "[key]":  # the name of a block: its message tells it
        loc = loc[:-2]
    path = _path(raw, loc, error["type"] == "missing")
    where = place(path)
    if error["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{where}: unknown key; {nearest(path[-1], _siblings(error['loc'], model))}"
    if error["type"] == "missing":
        return f"{where}: missing; add it"
    if error["type"] == "value_error":
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    given = error["input"]  # an address may hold a password, in a list or in the wrong place, too
    hidden = isinstance(given, dict | list) or {*path[-1:]} & {"server", "base_url", "api_key_env"}
    said = f"a {type(given).__name__}" if hidden else shown(given)
    return f"{where}: {said}: {error['msg']}"


def _path(raw: Any, loc: tuple, missing: bool) -> list:
    """The keys that lead to `loc`, without pydantic's tags of methods and of unions' members: what is no key
    of its block and no place of its list. `missing`: the last key should be there."""
    path, tag = [], None
    for number, part in enumerate(loc, start=1):
        if part == tag:
            tag = None
        elif _has(raw, part) or (missing and number == len(loc)):
            path.append(part)
            raw = raw[part] if _has(raw, part) else None
            tag = raw.get("method") if isinstance(raw, dict) else None
    return path


def _has(raw: Any, part: Any) -> bool:
    if isinstance(raw, list):
        return isinstance(part, int) and part < len(raw)
    return isinstance(raw, dict) and part in raw


def _siblings(loc: tuple, model: type) -> list[str]:
    """The keys allowed beside the last part of `loc`, by walking the schema of `model`."""
    schema = TypeAdapter(model).json_schema()
    definitions = schema.get("$defs", {})
    node: dict = schema
    for part in loc[:-1]:
        node = _resolve(node, definitions)
        if part in node.get("properties", {}):
            node = node["properties"][part]
        elif "additionalProperties" in node and isinstance(node["additionalProperties"], dict):
            node = node["additionalProperties"]
        elif isinstance(part, int):
            node = node.get("items", {})
        elif "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"].get(part, "")}
    return list(_resolve(node, definitions).get("properties", {}))


def _resolve(node: dict, definitions: dict) -> dict:
    while True:
        if node.get("$ref"):
            node = definitions[node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next((item for item in node["anyOf"] if item.get("type") != "null"), {})
        else:
            return node
