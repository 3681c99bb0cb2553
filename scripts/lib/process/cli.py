"""How a step begins and ends: its flags, what a user can mend as one line and a non-zero exit,
what it took."""

import gc
import re
import resource
import sys
from collections.abc import Callable

from scripts.lib.errors import UserError

FULL = ("No space left on device", "Disk quota exceeded")
"""The system's words, which reach us through Python, polars and safetensors alike."""
GARBAGE = (100_000, 10, 10)
"""New objects before garbage is looked for. Importing torch and trl makes millions that stay:
with Python's own 700 a third of a step's start goes into looking at them again and again."""
USED = re.compile(r"^used ([\d.]+) processor seconds, (\d+) MB at most$", re.MULTILINE)
"""What `cli` says last of a step that ended well."""


def cli(main: Callable[..., None]) -> None:
    """Run `main` with flags made from its signature, and say on stderr what it used.

    A `UserError` or a full disk becomes one line on stderr and exit code 2.
    """
    import tyro  # what only raises errors, as the Snakefile, starts faster without

    gc.set_threshold(*GARBAGE)
    try:
        tyro.cli(main, config=(tyro.conf.AvoidSubcommands,))
    except Exception as error:
        words = str(error)
        if not isinstance(error, UserError):
            full = next((said for said in FULL if said in words), None)
            if full is None:
                raise
            words = (
                f"the disk that it writes to is full ({full}); completions and checkpoints written before "
                "are safe: free space and run again"
            )
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(2) from None
    print(used(), file=sys.stderr)


def used() -> str:
    """Processor seconds of this process and its ended children, and the most memory one of them held."""
    all_of_it = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(each.ru_utime + each.ru_stime for each in all_of_it)
    return (
        f"used {seconds:.1f} processor seconds, {max(each.ru_maxrss for each in all_of_it) // 1000} MB "
        "at most"
    )
