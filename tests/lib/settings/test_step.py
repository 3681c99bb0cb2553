"""One class is config block, flags and runtime object: the same bounds and meanings wherever it is used."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from annotated_types import Ge, Gt, Le

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings


@dataclass(frozen=True, kw_only=True)
class Parent(StepSettings):
    """What both take."""

    n: Annotated[int, Gt(0), Source("App. C")] = 5
    """Completions."""


@dataclass(frozen=True, kw_only=True)
class Child(Parent):
    """With more."""

    share: Annotated[float | None, Ge(0), Le(1)] = None
    """Of all."""


def test_a_value_out_of_bounds_is_one_line_wherever_the_object_is_made():
    assert Child(n=1, share=1.0).share == 1.0
    for wrong, words in (({"n": 0}, "n is 0; it must be above 0"), ({"share": 1.5}, "it must be at most 1")):
        with pytest.raises(UserError, match=words):
            Child(**wrong)
    with pytest.raises(UserError, match="it must be at least 0"):
        Child(share=-0.1)


def test_a_config_forbids_unknown_keys_and_names_the_place_of_a_wrong_value():
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(dict[str, Child])
    assert adapter.validate_python({"a": {"n": 2}}) == {"a": Child(n=2)}
    for wrong in ({"n": 0}, {"m": 3}, {"share": 2}):
        with pytest.raises(pydantic.ValidationError) as error:
            adapter.validate_python({"a": wrong})
        assert error.value.errors()[0]["loc"] == ("a", *wrong)


def test_the_schema_tells_the_meaning_of_inherited_keys_too():
    pydantic = pytest.importorskip("pydantic")
    properties = pydantic.TypeAdapter(Child).json_schema()["properties"]
    assert {name: item["description"] for name, item in properties.items()} == {
        "n": "Completions.",
        "share": "Of all.",
    }
