"""Steps called as the command calls them, waited for, and what is done to their files."""

import inspect
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, get_args, get_origin


def call(main: Callable[..., None], **given) -> None:
    """Run a step's main with values by flag, as the command takes them; or a group of flags whole, by its own
    name."""
    parameters = inspect.signature(main, eval_str=True).parameters
    folded = {}
    for name, parameter in parameters.items():
        kind = bare(parameter.annotation)
        group = is_dataclass(kind)
        if name in given and (not group or isinstance(given[name], kind)):
            folded[name] = given.pop(name)
        if not group or name in folded:
            continue
        own = {field.name: given.pop(field.name) for field in fields(kind) if field.name in given}
        default = parameter.default
        folded[name] = kind(**own) if default is parameter.empty else replace(default, **own)
    assert not given, f"no flags: {sorted(given)}"
    main(**folded)


def bare(annotation: object) -> object:
    """A parameter's type without what tyro is told about it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for it, so many seconds at most."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def flip(file: Path) -> None:
    """Flip a bit of a file's last byte."""
    *whole, last = file.read_bytes()
    file.write_bytes(bytes([*whole, last ^ 1]))
