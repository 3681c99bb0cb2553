"""How a step begins and ends: its flags, what a user can mend as one line and a non-zero exit,
what it took."""

import gc
import os
import re
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from scripts.lib.errors import UserError
from scripts.lib.process.linux import leads_here

FULL = ("No space left on device", "Disk quota exceeded")
"""The system's words, which reach us through Python, polars and safetensors alike."""
GARBAGE = (100_000, 10, 10)
"""New objects before garbage is looked for. Importing torch and trl makes millions that stay:
with Python's own 700 a third of a step's start goes into looking at them again and again."""
SNAPSHOT = "REDISTILL_SNAPSHOT"
"""The environment variable of a run's steps: the file that says what the run began with."""
USED = re.compile(r"^used ([\d.]+) processor seconds, (\d+) MB at most$", re.MULTILINE)
"""What `cli` says last of a step that ended well."""


def cli(main: Callable[..., None]) -> None:
    """Run `main` with flags made from its signature, and say on stderr what it used.

    What a user can mend (`UserError`, a full disk, a folder that was moved) becomes one line on stderr and
    exit code 2. So does code, or a prompt or verifier, that is not what the step's run began with, when the
    step starts; or a file of these that is not when it ends, which may have been read before or after.
    """
    import tyro  # what only raises errors, as the Snakefile, starts faster without

    gc.set_threshold(*GARBAGE)
    folder = Path.cwd()
    try:
        _hold(getattr(sys.modules["__main__"].__spec__, "name", None))
        tyro.cli(main, config=(tyro.conf.AvoidSubcommands,))
        _hold()
    except Exception as error:
        words = _mendable(error, folder)
        if words is None:
            raise
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(2) from None
    print(used(), file=sys.stderr)


def _mendable(error: Exception, folder: Path) -> str | None:
    """What the user of a step that began in `folder` can mend of what went wrong; None where nothing."""
    if isinstance(error, UserError):
        return str(error)
    if full := next((said for said in FULL if said in str(error)), None):
        return (
            f"the disk that it writes to is full ({full}); completions and checkpoints written before "
            "are safe: free space and run again"
        )
    if not leads_here(folder):
        return f"{folder} was moved while this step was at work in it; run again where it is now"
    return None


def _hold(step: str | None = None) -> None:
    """Imported by name: what looks at the code of steps is no part of it."""
    if file := os.environ.get(SNAPSHOT):
        import_module("scripts.lib.workflow.snapshot").hold(Path(file), sys.argv, step)


def used() -> str:
    """Processor seconds of this process and its ended children, and the most memory one of them held."""
    all_of_it = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(each.ru_utime + each.ru_stime for each in all_of_it)
    return (
        f"used {seconds:.1f} processor seconds, {max(each.ru_maxrss for each in all_of_it) // 1000} MB "
        "at most"
    )
