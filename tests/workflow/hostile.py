"""A config with every kind of block in it, and what somebody may write into its texts."""

import copy
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from scripts.lib.config.layers import DEFAULTS, over
from scripts.lib.config.plain import load
from scripts.lib.config.whole import Config

TEXTS = (
    "x$(touch PWNED)",
    "x `touch PWNED` y",
    "x; touch PWNED; y",
    "x\ntouch PWNED\n",
    "x'; touch PWNED; '",
    'x" "$(touch PWNED)',
    "x {0} {} {input} <y> $(touch PWNED)",
    "--x $(touch PWNED)",
)
"""What runs where a shell reads it, or is two words."""
NO_TEXTS = ("x\0y", "x\x1b]0;y\x07", "x\ud800y")
"""What neither a command line nor a terminal can take."""
SHAPES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
PIN = {"repo": "some/sums", "revision": "0" * 40}
SAID = {"path": "said.jsonl", "model": "big", "temperature": 0.5}
SFT = {"method": "sft", "answers": "good", "training": {"max_steps": 10, "eval_steps": 5}}
SERVER = {"base_url": "http://127.0.0.1:1/v1", "identity": "big"}
EVERY: dict[str, Any] = {
    "models": {
        "bytes": SHAPES,
        "tiny": SHAPES | {"role": "teacher", "dataset": "world", "max_steps": 9, "learning_rate": 0.01},
    },
    "downloads": {
        "split.parquet": PIN | {"name": "main", "split": "train", "columns": ["question"]},
        "file.csv": PIN | {"file": "file.csv"},
    },
    "datasets": {
        "world": {"world": {}, "task": "numeric", "prompt": "world"},
        "asked": {"queries": "data/split.parquet", "task": "numeric", "prompt": "question", "stop": ["END"],
                  "test_fraction": 0.1, "shots": {"file": "shots.jsonl"}},
    },
    "teachers": {
        "served": {"model": "big", "engine": "openai", "server": SERVER, "compare": []},
        "hub": {"model": "some/model", "revision": "main", "billions": 1},
        "made": {"pretrained": "tiny"},
        "stored": {"samples": [SAID]},
    },
    "students": {
        "hub": {"model": "some/model", "revision": "main", "billions": 1},
        "stored": {"pretrained": "bytes", "samples": [SAID]},
    },
    "variants": {"sft": SFT, "wo_r": SFT, "only": {"method": "reward", "reward": "ours"}},
    "benchmarks": {
        "split": {"dataset": "asked", "task": "numeric", "prompt": "question"},
        "open": {"queries": "reference.json", "task": "open", "prompt": "question", "gamed": "data/file.csv",
                 "annotator": "judge.yaml", "trained_on": ["asked"], "note": "n"},
    },
    "overrides": [{"where": {"variant": "ours"}, "training": {"kl_coef": 0.3}, "reason": "r"}],
    "studies": {"every": {"table": "every.tsv", "benchmarks": ["split", "open"],
                          "axis": {"label": "n", "at": {"asked": 1}}}},
}  # fmt: skip
ROWS = [
    ("asked", "served", "hub", "ours"),
    ("asked", "served", "hub", "dpo"),
    ("asked", "hub", "hub", "icl"),
    ("asked", "stored", "stored", "ours"),
    ("world", "made", "stored", "sft"),
    ("asked", "hub", "hub", "teacher"),
]


ROW = '{"question": "1 + 1?", "answer": "2"}\n'


def every() -> dict:
    """The config as it is read: over the method's defaults."""
    return over(load(DEFAULTS), EVERY)


def table() -> str:
    """The study's table."""
    rows = ["\t".join((*row, "0")) for row in ROWS]
    return "\n".join(["dataset\tteacher\tstudent\tvariant\tseed", *rows]) + "\n"


def texts(config: Config) -> list[tuple[tuple, Any]]:
    """Where a config may have a text of one's own, by the types of its settings: the keys that lead to it,
    and its type."""
    return [
        ((*path, name), hint)
        for block, path in blocks(config, ())
        for name, hint in get_type_hints(type(block)).items()
        if name in vars(block) and {str, Path} & set(parts(hint))
    ]


def blocks(value: Any, path: tuple) -> Iterator[tuple[Any, tuple]]:
    """The blocks within a value, each with the keys that lead to it."""
    if isinstance(value, BaseModel) or is_dataclass(value):
        yield value, path
        value = vars(value)
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else ()
    )
    for key, item in items:
        yield from blocks(item, (*path, key))


def parts(hint: Any) -> Iterator[Any]:
    """The types that a type is made of, but for those of named blocks."""
    yield hint
    if get_origin(hint) is not dict:
        for part in get_args(hint):
            yield from parts(part)


def classes(hint: Any) -> set[type]:
    """The settings classes that a type leads to."""
    found: set[type] = set()
    waiting = [hint]
    while waiting:
        item = waiting.pop()
        if (
            isinstance(item, type)
            and (is_dataclass(item) or issubclass(item, BaseModel))
            and item not in found
        ):
            found.add(item)
            waiting += get_type_hints(item).values()
        waiting += get_args(item)
    return found


def put(raw: dict, path: tuple, hint: Any, text: str) -> dict:
    """A copy of a config with a text in one place, in a list where one stands there."""
    changed = copy.deepcopy(raw)
    block: Any = changed
    for key in path[:-1]:
        block = block[key] if isinstance(block, list) else block.setdefault(key, {})
    several = {get_origin(part) for part in (hint, *get_args(hint))} & {list, tuple}
    block[path[-1]] = [text] if several else text
    return changed
