"""Steps called as the command calls them, and waited for."""

import inspect
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace


def call(main: Callable[..., None], **given) -> None:
    """Run a step's main with values by flag, as the command takes them; or a group of flags whole, by its own name."""
    parameters = inspect.signature(main, eval_str=True).parameters
    folded = {}
    for name, parameter in parameters.items():
        group = is_dataclass(parameter.annotation)
        if name in given and (not group or isinstance(given[name], parameter.annotation)):
            folded[name] = given.pop(name)
        if not group or name in folded:
            continue
        own = {
            field.name: given.pop(field.name) for field in fields(parameter.annotation) if field.name in given
        }
        default = parameter.default
        folded[name] = parameter.annotation(**own) if default is parameter.empty else replace(default, **own)
    assert not given, f"no flags: {sorted(given)}"
    main(**folded)


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for it, so many seconds at most."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
