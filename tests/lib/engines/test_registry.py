"""Engines are looked up by name in one place; what is particular about one the engine says itself."""

import re
from pathlib import Path

import pytest

from scripts.lib.engines.registry import ENGINES, engine_class
from scripts.lib.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
OWN = ("scripts/lib/engines/", "scripts/lib/training/")
"""Rooms that may name one: the engines', and PPO's own choice of how it rolls out."""


def test_an_unknown_engine_is_one_clear_error():
    with pytest.raises(UserError, match="engine 'vlm' is unknown; did you mean 'vllm'"):
        engine_class("vlm")


def test_an_engine_says_itself_whether_a_server_runs_the_model():
    assert {name for name, engine in ENGINES.items() if engine.remote} == {"openai"}


def test_nothing_outside_the_registry_names_an_engine():
    named = re.compile("|".join(f"[\"']{name}[\"']" for name in ENGINES))
    files = [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("rules/*.smk"), ROOT / "Snakefile"]
    found = [
        str(path.relative_to(ROOT))
        for path in files
        if named.search(path.read_text()) and not str(path.relative_to(ROOT)).startswith(OWN)
    ]
    assert found == []
