"""lm-evaluation-harness's extraction and metric, re-stated, and why its verdict on a response differs from ours.

From lm_eval 0.4.13: `filters/extraction.py` (RegexFilter), `api/metrics.py` (exact_match_hf_evaluate) and the task files
gsm8k-cot.yaml and mmlu_pro/_default_template_yaml. `tests/score/test_export_lm_eval.py` runs both side by side.
"""

import re
from dataclasses import dataclass

from scripts.lib.errors import UserError
from scripts.lib.tasks import canonical_gold, same_answer

INVALID = "[invalid]"


@dataclass(frozen=True)
class Filter:
    """A named extraction: all matches of a pattern, the first or the last one taken."""

    name: str
    pattern: str
    last: bool = False

    def extract(self, response: str) -> str:
        """What the harness takes for the answer, `INVALID` where nothing matches."""
        found = re.compile(self.pattern).findall(response)
        if not found:
            return INVALID
        match = found[-1 if self.last else 0]
        if isinstance(match, tuple):
            match = next((group for group in match if group), INVALID)
        return match.strip()


NUMBERS = (
    Filter("strict-match", r"The answer is (\-?[0-9\.\,]+)."),
    Filter("flexible-extract", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", last=True),
)
FILTERS = {
    "gsm8k": NUMBERS,
    "gsm_plus": NUMBERS,
    "mmlu_pro": (Filter("custom-extract", r"answer is \(?([ABCDEFGHIJ])\)?"),),
}
_IGNORED = {
    "gsm8k": (",", r"\$", r"(?s).*#### ", r"\.$"),
    "gsm_plus": (",", r"\$", r"(?s).*#### ", r"\.$"),
    "mmlu_pro": (),
}
_PUNCTUATION = str.maketrans("", "", r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~""")


def filters(task: str) -> tuple[Filter, ...]:
    """The harness's filters of a task. Raises UserError for a task without any."""
    if task not in FILTERS:
        raise UserError(
            f"lm-evaluation-harness has no filters for task {task!r}; it has for {', '.join(FILTERS)}"
        )
    return FILTERS[task]


def normalise(task: str, text: str) -> str:
    """A prediction or reference as the harness's exact_match compares it: patterns deleted, then lower case."""
    for pattern in _IGNORED[task]:
        text = re.sub(pattern, "", text)
    text = text.lower()
    return text.translate(_PUNCTUATION) if task == "mmlu_pro" else text


def exact_match(task: str, extracted: str, gold: str) -> float:
    """The harness's exact_match: equality of strings after `normalise`."""
    return float(normalise(task, extracted) == normalise(task, gold))


def explain(task: str, response: str, extracted: str, theirs: float, ours: str | None, right: bool) -> str:
    """Why the harness (`extracted`, `theirs`) and we (`ours`, `right`) judge a response differently; "" where we agree."""
    if bool(theirs) == right:
        return ""
    if extracted == INVALID and re.search(r"The answer is -?\d$", response):
        return "the harness's pattern wants one more character after a single digit"
    if extracted == INVALID:
        return "the harness's marker does not occur as it spells it"
    if ours is None:
        return "we read no stated answer; the harness takes what matches its pattern"
    value = _value(task, extracted)
    if same_answer(value, ours):
        return "the same value, written otherwise than the reference"
    plain = normalise(task, extracted)
    if re.search(rf"(?<![\d.]){re.escape(plain)}\d", response.replace(",", "").replace("$", "")):
        return "the harness takes a part of the number: its pattern ends early"
    count = len(re.findall(r"[Tt]he answer is", response))
    if count > 1:
        return "several answers are stated: we take the last, the harness its own pick"
    return (
        "the harness takes another number of the text"
        if task != "mmlu_pro"
        else "the harness takes another letter"
    )


def _value(task: str, extracted: str) -> str | None:
    try:
        return canonical_gold(task, extracted.rstrip("."))
    except UserError:
        return None
