"""Where a default comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """The origin of a setting's default, as in `Annotated[int, Source("App. C")]`."""

    text: str
