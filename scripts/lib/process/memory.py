"""Running out of memory: what a step may hold at a time, remembered in its state folder, and half of it after
a refusal."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.data.files import write_json
from scripts.lib.errors import UserError


class Restart(Exception):
    """The step can go on, but only in a new process."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what it came from, is a device's or the allocator's refusal of memory."""
    from accelerate.utils.memory import should_reduce_batch_size

    return should_reduce_batch_size(error) or (error.__cause__ is not None and out_of_memory(error.__cause__))


def free_memory() -> None:
    """Give back what nobody refers to any more."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)


def affordable(folder: Path, asked: int) -> int:
    """What a step may hold at a time: `asked`, or the less that earlier runs in this state folder had to
    settle for."""
    file = folder / "memory.json"
    return min(asked, json.loads(file.read_text())["at_a_time"]) if file.exists() else asked


@contextmanager
def frugal(folder: Path, at_a_time: int, least: int, unit: str, mend: str) -> Iterator[None]:
    """Work on `at_a_time` units; when memory runs out, note half of it in `folder` and raise `Restart`.

    With `least` or fewer already, raise UserError, which names the `mend`.
    """
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        said = str(error).strip().splitlines()[0]
        if at_a_time <= least:
            raise UserError(f"out of memory with {at_a_time} {unit}: {said}; {mend}") from None
        less = max(at_a_time // 2, least)
        write_json({"at_a_time": less}, folder / "memory.json")
        raise Restart(
            f"out of memory with {at_a_time} {unit} ({said}): going on with {less} at most"
        ) from None
