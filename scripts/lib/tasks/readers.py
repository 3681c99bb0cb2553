"""The reader of each task."""

from collections.abc import Sequence

from scripts.lib.errors import UserError
from scripts.lib.tasks.answer import Answer
from scripts.lib.tasks.choice import read_choice
from scripts.lib.tasks.judgement import read_score
from scripts.lib.tasks.numeric import read_number
from scripts.lib.tasks.open_ended import read_validity

TASKS = ("gsm8k", "gsm_plus", "mmlu_pro", "judge", "open")


def check_task(task: str) -> None:
    """Raise UserError unless `task` is one of TASKS."""
    if task not in TASKS:
        raise UserError(f"unknown task {task!r}; the tasks are {', '.join(TASKS)}")


def read_answer(task: str, text: str, options: Sequence[str] = (), finish_reason: str = "stop") -> Answer:
    """The answer that a response states, as a canonical value. Raises UserError for an unknown task.

    `options`: the texts of a multiple-choice question, in order; `finish_reason`: why generation ended ("length" and
    "content_filter" mean that the response was cut off).
    """
    check_task(task)
    if task == "gsm8k":
        return read_number(text, finish_reason)
    if task == "gsm_plus":
        return read_number(text, finish_reason, abstain="None")
    if task == "mmlu_pro":
        return read_choice(text, options, finish_reason)
    if task == "open":
        return read_validity(text, finish_reason)
    return read_score(text, finish_reason)
