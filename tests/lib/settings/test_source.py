"""A setting's source: beside its type, in the schema, and by name."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from scripts.lib.settings.source import Source, sources


@dataclass(frozen=True)
class Settings:
    rate: Annotated[float | None, Source("App. C.2")] = 1.0
    seed: int = 0


def test_sources_by_name() -> None:
    assert sources(Settings) == {"rate": "App. C.2"}


def test_the_schema_has_them() -> None:
    pydantic = pytest.importorskip("pydantic")
    found = pydantic.TypeAdapter(Settings).json_schema()["properties"]
    assert found["rate"]["source"] == "App. C.2" and found["rate"]["default"] == 1.0
    assert "source" not in found["seed"]
