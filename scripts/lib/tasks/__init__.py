"""Task families: what an answer is, how it is read out of a response, and when two are the same.

A family is one file here and one line in `TASKS`; the language in which answers are stated is in `reading/`.
"""

from scripts.lib.errors import UserError, nearest
from scripts.lib.tasks.base import Answer, Task
from scripts.lib.tasks.choice import CHOICE
from scripts.lib.tasks.exact import EXACT
from scripts.lib.tasks.math import MATH
from scripts.lib.tasks.numeric import GSM_PLUS, NUMERIC
from scripts.lib.tasks.open import OPEN

TASKS = {
    task.name: task
    for task in (
        NUMERIC,
        GSM_PLUS,
        CHOICE,
        MATH,
        EXACT,
        OPEN,
    )
}


def task_of(name: str) -> Task:
    """The task of a name. Raises UserError for an unknown one."""
    if name not in TASKS:
        raise UserError(f"unknown task {name!r}; {nearest(name, TASKS)}")
    return TASKS[name]


__all__ = ["TASKS", "Answer", "Task", "task_of"]
