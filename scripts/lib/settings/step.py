"""What every settings class of a step is: config block, command-line flags and runtime object at once."""

import math
import re
from collections.abc import Collection
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from scripts.lib.errors import UserError, shown

LAST_SEED = 2**31 - 1
Seed = Annotated[int, Ge(0), Le(LAST_SEED)]
"""Of a split, of draws or of a training: what every random generator takes."""


class StepSettings:
    """Base of frozen dataclasses whose fields say type, bounds and `Source`, each with its meaning below it.

    Unknown keys are errors in a config; a value out of bounds is one wherever the object is made.
    """

    __pydantic_config__: ClassVar = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
        "allow_inf_nan": False,
    }

    def __post_init__(self) -> None:
        """Raise UserError for a value out of its bounds, or at odds with another."""
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, name)
            _check_words(name, value)
            for bound in getattr(hint, "__metadata__", ()) if value is not None else ():
                if isinstance(bound, Gt) and not value > bound.gt:
                    raise UserError(f"{name} is {value}; it must be above {bound.gt}")
                if isinstance(bound, Ge) and not value >= bound.ge:
                    raise UserError(f"{name} is {value}; it must be at least {bound.ge}")
                if isinstance(bound, Le) and not value <= bound.le:
                    raise UserError(f"{name} is {value}; it must be at most {bound.le}")
                if isinstance(bound, Lt) and not value < bound.lt:
                    raise UserError(f"{name} is {value}; it must be below {bound.lt}")
        self.agree()

    def agree(self) -> None:
        """Raise UserError for values that are at odds with one another."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """In a config an error has its place: the key's, or the block's that is at odds with itself."""
        from pydantic_core.core_schema import no_info_wrap_validator_function

        def checked(value: Any, validate: Any) -> Any:
            try:
                return validate(value)
            except UserError as error:
                raise ValueError(str(error)) from None

        schema = handler.resolve_ref_schema(handler(source))
        return no_info_wrap_validator_function(checked, schema, ref=schema.pop("ref"))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict:
        """The schema with the meanings of inherited fields: pydantic reads the docstrings of one class
        only."""
        from pydantic import TypeAdapter

        schema = handler(core_schema)
        own = handler.resolve_ref_schema(schema)["properties"]
        for base in [base for base in cls.__mro__[1:] if is_dataclass(base)]:
            for name, item in TypeAdapter(base).json_schema()["properties"].items():
                if "description" in item:
                    own[name].setdefault("description", item["description"])
        return schema


def _check_words(name: str, value: Any) -> None:
    """Raise UserError for a number that is none, and for what a command line would take for a flag."""
    items = value if isinstance(value, tuple) else (value,)
    if isinstance(value, dict):
        items = (*value, *value.values())
    for item in items:
        if isinstance(item, float) and not math.isfinite(item):
            raise UserError(f"{name} is {item}; it must be a finite number")
        if isinstance(item, str) and len(items) > 1 and re.match(r"--?[a-zA-Z]|--$", item):
            raise UserError(f"{name}: {shown(item)} beside others would be taken for a flag; give it alone")
        if isinstance(item, Path) and re.search(r"^-|[<>{}]", str(item)):
            raise UserError(
                f"{name}: {shown(str(item))} begins with a dash or holds one of <>{{}}, which commands and "
                "Snakemake read as their own; rename it"
            )


def default(block: Any, name: str) -> Any:
    """A class's default of a field; None where it has none."""
    if is_dataclass(block):
        item = next(item for item in fields(block) if item.name == name)
        if item.default_factory is not MISSING:
            return item.default_factory()
        return None if item.default is MISSING else item.default
    field = block.model_fields[name]
    return None if field.is_required() else field.get_default(call_default_factory=True)


def changed(block: Any, kind: Any) -> dict[str, Any]:
    """The settings of `kind`, a base of the block's class, that are not at their defaults."""
    names = [item.name for item in fields(kind)]
    return {name: getattr(block, name) for name in names if getattr(block, name) != default(kind, name)}


def values(block: Any) -> dict[str, Any]:
    """The keys of a block of the config, in JSON's types."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(block)


def words(
    block: Any, *, only: Collection[str] = (), without: Collection[str] = (), prefix: str = ""
) -> list[str]:
    """A block of the config, or `only` some of its keys, as the command-line flags of its step.

    Tyro reads them back to the same values: null is "None", an empty list no word, both left out where they
    are the default; a mapping is its keys and values in turn; what may be true, false or null takes a word.
    """
    from pydantic_core import to_jsonable_python

    found, hints = values(block), get_type_hints(type(block))
    said: list[str] = []
    for key in only or [key for key in found if key not in without]:
        value, name = found[key], prefix + key.replace("_", "-")
        if hints[key] is bool:
            said.append(f"--{name}" if value else f"--{prefix}no-{name.removeprefix(prefix)}")
        elif value not in (None, [], {}) or value != to_jsonable_python(default(type(block), key)):
            said += flag(name, value)
    return said


def flag(name: str, value: Any) -> list[str]:
    """A flag and its value, or several: words that a shell still has to be kept from reading."""
    parts = [part for item in value.items() for part in item] if isinstance(value, dict) else value
    given = list(map(str, parts if isinstance(parts, Collection) and not isinstance(parts, str) else [parts]))
    # A value that looks like a flag is read as one, unless it is the same word's.
    return [f"--{name}={given[0]}"] if len(given) == 1 and given[0].startswith("-") else [f"--{name}", *given]
