"""Turn what a user can mend into one line and a non-zero exit."""

import sys
from collections.abc import Callable

import tyro


class UserError(Exception):
    """Bad input. The message says what is wrong, where, and the mend, in one line."""


def cli(main: Callable[..., None]) -> None:
    """Run `main` with flags made from its signature; a `UserError` becomes one line on stderr and exit code 2."""
    try:
        tyro.cli(main, config=(tyro.conf.AvoidSubcommands,))
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
