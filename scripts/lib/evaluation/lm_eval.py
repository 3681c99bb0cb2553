"""lm-evaluation-harness's extraction and metric, re-stated, and why its verdict on a response differs from
ours.

From lm_eval 0.4.13: `api/metrics.py` (exact_match_hf_evaluate); what a task extracts is its family's
`harness`. `tests/score/test_export_lm_eval.py` runs both side by side.
"""

import re

from scripts.lib.errors import UserError
from scripts.lib.tasks import TASKS, task_of
from scripts.lib.tasks.filters import INVALID, Filter, Harness

_PUNCTUATION = str.maketrans("", "", r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~""")


def harness_of(task: str) -> Harness:
    """How the harness reads a task. Raises UserError for a task that it does not have."""
    found = task_of(task).harness
    if found is None:
        has = ", ".join(name for name, each in TASKS.items() if each.harness)
        raise UserError(f"lm-evaluation-harness has no filters for task {task!r}; it has for {has}")
    return found


def filters(task: str) -> tuple[Filter, ...]:
    """The harness's filters of a task. Raises UserError for a task without any."""
    return harness_of(task).filters


def normalise(task: str, text: str) -> str:
    """A prediction or reference as the harness's exact_match compares it:
    patterns deleted, then lower case."""
    harness = harness_of(task)
    for pattern in harness.ignored:
        text = re.sub(pattern, "", text)
    text = text.lower()
    return text.translate(_PUNCTUATION) if harness.ignore_punctuation else text


def exact_match(task: str, extracted: str, gold: str) -> float:
    """The harness's exact_match: equality of strings after `normalise`."""
    return float(normalise(task, extracted) == normalise(task, gold))


def explain(task: str, response: str, extracted: str, theirs: float, ours: str | None, right: bool) -> str:
    """Why the harness (`extracted`, `theirs`) and we (`ours`, `right`) judge a response differently;
    "" where we agree."""
    if bool(theirs) == right:
        return ""
    if extracted == INVALID and re.search(r"The answer is -?\d$", response):
        return "the harness's pattern wants one more character after a single digit"
    if extracted == INVALID:
        return "the harness's marker does not occur as it spells it"
    if ours is None:
        return "we read no stated answer; the harness takes what matches its pattern"
    value = _value(task, extracted)
    if value == ours:
        return "the same value, written otherwise than the reference"
    plain = normalise(task, extracted)
    if re.search(rf"(?<![\d.]){re.escape(plain)}\d", response.replace(",", "").replace("$", "")):
        return "the harness takes a part of the number: its pattern ends early"
    count = len(re.findall(r"[Tt]he answer is", response))
    if count > 1:
        return "several answers are stated: we take the last, the harness its own pick"
    return f"the harness takes another {harness_of(task).what} of the text"


def _value(task: str, extracted: str) -> str | None:
    try:
        return task_of(task).gold(extracted.rstrip("."))
    except UserError:
        return None
