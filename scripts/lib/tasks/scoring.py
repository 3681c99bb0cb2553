"""When two answers are the same, and when one is right."""

import re
from fractions import Fraction

from scripts.lib.errors import UserError
from scripts.lib.tasks.open_ended import VALID
from scripts.lib.tasks.readers import check_task
from scripts.lib.tasks.reading.quantity import quantities, rational


def same_answer(first: str | None, second: str | None) -> bool:
    """Whether two canonical values are the same answer; a missing answer equals nothing, not even another one."""
    return first is not None and first == second


def canonical_gold(task: str, gold: str) -> str:
    """The canonical value of a reference answer, as the data sets write it ("... #### 1,450", "1/2", "None", "b").

    Open-ended tasks have no reference: any response that is valid will do.

    Raises UserError when it is not an answer of the task.
    """
    check_task(task)
    if task == "open":
        return VALID
    text = str(gold).rsplit("####", 1)[-1].strip()
    if task == "mmlu_pro":
        if re.fullmatch(r"\(?[A-Za-z]\)?\.?", text):
            return text.strip("().").upper()
        raise UserError(
            f"the reference answer {gold!r} is not an option letter; mmlu_pro golds are letters from A on"
        )
    if task == "gsm_plus" and text.lower() == "none":
        return "None"
    found = quantities(text)
    if len(found) != 1:
        raise UserError(f"the reference answer {gold!r} is not a number; {task} golds are numbers")
    return found[0].value


def is_correct(task: str, value: str | None, gold: str) -> bool:
    """Whether the canonical answer `value` is right, given the reference `gold` as the data set writes it.

    Equality of canonical values, with one exception: gsm_plus writes rounded references (4.33 for 13/3), so there an
    answer with more places is right when it rounds, half up, to the reference at the places the reference shows. The
    exception is for scoring alone; votes and pseudo-labels know no tolerance.
    """
    wanted = canonical_gold(task, gold)
    if same_answer(value, wanted):
        return True
    if task != "gsm_plus" or value is None or (shown := re.search(r"\.(\d+)\D*$", str(gold))) is None:
        return False
    answer, reference = rational(value), rational(wanted)
    if answer is None or reference is None:
        return False
    unit = Fraction(1, 10 ** len(shown[1]))
    rounded = (abs(answer) / unit + Fraction(1, 2)) // 1 * unit
    return rounded == abs(reference) and (answer < 0) == (reference < 0)
