"""One class is config block, flags and runtime object: the same bounds and meanings wherever it is used."""

import math
import shlex
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from annotated_types import Ge, Gt, Le

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings, changed, default, words


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
    for wrong, why in (({"n": 0}, "n is 0; it must be above 0"), ({"share": 1.5}, "it must be at most 1")):
        with pytest.raises(UserError, match=why):
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


@dataclass(frozen=True, kw_only=True)
class Everything(StepSettings):
    """One key of every kind."""

    rate: float
    limit: float | None = 1.0
    cap: int | None = None
    name: str | None = "a name"
    names: tuple[str, ...] = ("a", "b")
    stop: tuple[str, ...] = ()
    ends: tuple[str, ...] | None = None
    more: dict[str, bool | int | str] = field(default_factory=dict)
    on: bool = True
    mixed: bool | None = None
    zero: int = 3


GIVEN = [
    ({}, "--rate 0.5 --limit 1.0 --name 'a name' --names a b --on --zero 3"),
    ({"limit": None, "name": None}, "--rate 0.5 --limit None --name None --names a b --on --zero 3"),
    (
        {"names": (), "stop": ("\n\n",)},
        "--rate 0.5 --limit 1.0 --name 'a name' --names --stop '\n\n' --on --zero 3",
    ),
    ({"on": False, "zero": 0}, "--rate 0.5 --limit 1.0 --name 'a name' --names a b --no-on --zero 0"),
    (
        {"mixed": True, "cap": 7},
        "--rate 0.5 --limit 1.0 --cap 7 --name 'a name' --names a b --on --mixed True --zero 3",
    ),
    (
        {"name": "-x $(a)", "names": ("--a",)},
        "--rate 0.5 --limit 1.0 '--name=-x $(a)' --names=--a --on --zero 3",
    ),
    (
        {"ends": (), "more": {"think": False, "n": 3}},
        "--rate 0.5 --limit 1.0 --name 'a name' --names a b --ends --more think False n 3 --on --zero 3",
    ),
    ({"mixed": False}, "--rate 0.5 --limit 1.0 --name 'a name' --names a b --on --mixed False --zero 3"),
]


@pytest.mark.parametrize(("given", "line"), GIVEN)
def test_a_block_as_flags_is_read_back_as_it_was(given, line):
    """A null or an empty list whose default is another value is said, or the step would take the default."""
    tyro = pytest.importorskip("tyro")
    block = Everything(rate=0.5, **given)
    assert shlex.join(words(block)) == line
    assert tyro.cli(Everything, args=words(block)) == block


def test_values_that_no_command_line_takes_are_refused():
    for given in ({"rate": math.nan}, {"rate": 0.5, "limit": math.inf}, {"rate": -math.inf}):
        with pytest.raises(UserError, match=r"(rate|limit) is -?(nan|inf); it must be a finite number"):
            Everything(**given)
    with pytest.raises(UserError, match="names: '--a' beside others would be taken for a flag"):
        Everything(rate=0.5, names=("--a", "b"))
    assert Everything(rate=0.5, names=("---", "- b", "-1")).names == ("---", "- b", "-1")
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(pydantic.ValidationError, match="finite number"):
        pydantic.TypeAdapter(Everything).validate_python({"rate": math.inf})


def test_a_block_within_a_command_is_read_back_as_it_was():
    tyro = pytest.importorskip("tyro")
    block = Everything(rate=0.5, on=False)

    def main(own: Everything) -> Everything:
        return own

    assert tyro.cli(main, args=words(block, prefix="own.")) == block


def test_flags_of_some_keys():
    block = Everything(rate=0.5, limit=None)
    assert words(block, only=["limit", "cap"]) == ["--limit", "None"]
    assert changed(block, Everything) == {"rate": 0.5, "limit": None}
    assert words(block, without=["rate", "name", "names", "zero"]) == ["--limit", "None", "--on"]


def test_the_default_of_a_key():
    assert default(Everything, "limit") == 1.0 and default(Everything, "rate") is None
    pydantic = pytest.importorskip("pydantic")
    block = pydantic.create_model("Block", columns=(list[str], ["a"]), repo=(str, ...))
    assert default(block, "columns") == ["a"] and default(block, "repo") is None
