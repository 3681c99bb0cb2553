"""Task families: what an answer is, how it is read out of a response, and when two are the same.

A family is one file here and one line in `TASKS`; the language in which answers are stated is in `reading/`.
A user's own verifier is a file of theirs (verifier.py).
"""

from dataclasses import replace

from scripts.lib.errors import UserError, nearest
from scripts.lib.tasks import verifier
from scripts.lib.tasks.base import Answer, Task, of_reply
from scripts.lib.tasks.choice import CHOICE
from scripts.lib.tasks.exact import EXACT
from scripts.lib.tasks.math import MATH
from scripts.lib.tasks.numeric import GSM_PLUS, NUMERIC
from scripts.lib.tasks.open import OPEN

TASKS = {
    task.name: replace(task, read=of_reply(task.read))
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
    """The task of a name, or of the path of a verifier, which is run. Raises UserError for an unknown one."""
    if verifier.is_verifier(name):
        return verifier.load(name)
    check_task(name)
    return TASKS[name]


def check_task(name: str) -> None:
    """Raise UserError unless there is a task of this name, or a file that can be a verifier. Runs nothing."""
    if verifier.is_verifier(name):
        verifier.check(name)
    elif name not in TASKS:
        raise UserError(f"unknown task {name!r}; {nearest(name, [*TASKS, 'verifiers/<yours>.py'])}")


def is_judged(name: str) -> bool:
    """Whether a teacher scores responses, there being no answers to vote on. Runs nothing:
    a verifier reads answers."""
    check_task(name)
    return name in TASKS and TASKS[name].judged


def may_spell_variously(name: str) -> bool:
    """Whether answers with other texts may be the same. Runs nothing: of a verifier, it may be so."""
    return verifier.is_verifier(name) or task_of(name).same is not None


__all__ = ["TASKS", "Answer", "Task", "check_task", "is_judged", "may_spell_variously", "task_of"]
