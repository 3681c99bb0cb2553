"""Where a setting's default comes from, declared with the setting."""

from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Source:
    """The source of a default: `learning_rate: Annotated[float, Source("App. C.2")] = 5e-6`.

    The words are a section, table or equation of the paper; "silent" where the paper says nothing,
    with what is followed instead ("silent: TRL's PPOConfig"); or "ours" for what the method does not know.
    The JSON schema has them as `source`.
    """

    text: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict:
        return handler(core_schema) | {"source": self.text}


def sources(block: type) -> dict[str, str]:
    """The source of each setting of a class that names one, by the setting's name."""
    return {
        name: found.text
        for name, hint in get_type_hints(block, include_extras=True).items()
        for found in getattr(hint, "__metadata__", ())
        if isinstance(found, Source)
    }
