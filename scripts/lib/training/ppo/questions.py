"""What PPO is asked, in training and in validation. No torch here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Questions:
    """Rendered prompts; `targets`: pseudo-labels y* in training (None: the query has none), canonical golds
    in validation."""

    prompts: list[list[int]]
    options: list[list[str]]
    targets: list[str | None]
