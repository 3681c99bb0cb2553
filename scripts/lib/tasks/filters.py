"""How lm-evaluation-harness extracts an answer and compares it, as data of a task family.

From lm_eval 0.4.13: `filters/extraction.py` (RegexFilter) and the task files gsm8k-cot.yaml and
mmlu_pro/_default_template_yaml.
"""

import re
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Harness:
    """A task's filters; the patterns deleted before strings are compared; whether punctuation goes, too;
    and what an answer is ("number"), to say what the harness took instead."""

    filters: tuple[Filter, ...]
    ignored: tuple[str, ...] = ()
    ignore_punctuation: bool = False
    what: str = "answer"
