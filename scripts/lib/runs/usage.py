"""What the commands that hand their flags on to Snakemake say of themselves."""

from collections.abc import Iterable


def told_usage(arguments: Iterable[str], usage: str | None) -> bool:
    """Whether such a command was asked for help, which it has told then: Snakemake's own lacks our flags."""
    asked = not {"-h", "--help"}.isdisjoint(arguments)
    if asked:
        print((usage or "").strip())
    return asked
