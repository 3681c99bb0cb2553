"""A complaint of pydantic in one line: where, what, and the nearest right name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from scripts.lib.errors import nearest


def explain(error: dict, raw: dict, model: type[BaseModel]) -> str:
    """One line for pydantic's first complaint: where, what, and the nearest right name for an unknown key."""
    path = [
        part
        for part in error["loc"]
        if part not in {"icl", "teacher", "sft", "ppo", "dpo", "reward"} or part in _keys(raw, error["loc"])
    ]
    where = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key; {nearest(path[-1], _siblings(error['loc'], model))}"
    if error["type"] == "missing":
        return f"{where}: missing; add it"
    return f"{where}: {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"


def _keys(raw: Any, loc: tuple) -> set:
    found: set = set()
    for part in loc:
        if isinstance(raw, dict) and part in raw:
            found.add(part)
            raw = raw[part]
    return found


def _siblings(loc: tuple, model: type[BaseModel]) -> list[str]:
    """The keys allowed beside the last part of `loc`, by walking the schema of `model`."""
    schema = model.model_json_schema()
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
