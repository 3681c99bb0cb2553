"""Words by which a text takes back what it has just said: "18. Oops, I mean 20."

One list for numbers, letters and scores.
"""

import re

WINDOW = 160
"""Characters at the end of a text in which it may take back what it said."""

_GAP = r"(?:[^\w$\\-]|-(?![$\d])){0,6}"
DOUBTS = r"""
    (?:(?:no|nope|wait|sorry)\b(?=\s?[,.:;!\u2013\u2014-]|\s(?:no|wait|sorry|it|that|actually)\b)
      |(?:oops|whoops|hold\son|hang\son|(?:scratch|strike)\sthat|my\s(?:mistake|bad|apologies))\b
      |(?:that|this|it)(?:'s|\s(?:is|was))\s(?:wrong|incorrect|not\s(?:right|correct)|a\s(?:mistake|typo))\b
      |I\s(?:made\sa\s(?:mistake|typo)|made\san\serror|was\swrong|misspoke|misread|miscalculated)\b
      |let\sme\s(?:correct|fix)\s(?:that|this|it|myself)\b)
    """
"""Words that take back what stands before them, whatever follows; to be compiled with re.I and re.X."""
_WEAKLY = r"(?:actually|correction|apologies)\b(?=\s?[,.:;!\u2013\u2014-]|\s(?:it|that)\b)"
_RATHER = r"(?:I\smeant?(?:\sto\s(?:say|write))?|make\sthat|or\srather)\b"
_STATES = r"""
    (?:(?:that|this|it)(?:'s|\sis|\sshould\s(?:actually\s)?(?:be|have\sbeen|read))
      |the\s(?:(?:correct|right|real|true)\s)?(?:answer|result|total|option|choice|letter|score)
       \s(?:is|should\sbe))\b
    """
RETRACTS = rf"(?:(?:(?:{DOUBTS}|{_WEAKLY}){_GAP}){{1,4}}(?:(?:{_RATHER}|{_STATES}){_GAP})?|{_RATHER}{_GAP})"
"""Up to what is said instead; to be compiled with re.I and re.X."""
_ENDING = re.compile(
    rf"(?:^|[^\w\s]|\n)\s{{0,3}}{RETRACTS}(?P<said>(?:[^\n.!?]|[.](?=\d)){{1,60}})[.!?)*\"'\s]*\Z",
    re.I | re.X,
)
_GIVEN_AWAY = (
    *(f"no{mark}" for mark in " ,.:;!-\u2013\u2014"),
    *(
        "nope",
        "wait",
        "sorry",
        "actually",
        "correct",
        "apologies",
        "oops",
        "whoops",
        "hold",
        "hang",
        "scratch",
    ),
    *("strike", "mistake", "my bad", "wrong", "not right", "typo", "error", "misspoke", "misread", "fix"),
    *("miscalculated", "mean", "make", "rather"),
)
"""In small letters, one of these stands in all such words: looking for them is faster."""


def said_instead(text: str) -> str | None:
    """What a text ends in saying in place of what it takes back; None where it takes nothing back."""
    tail = text[-WINDOW:].rstrip()
    lowered = tail.lower()
    ending = _ENDING.search(tail) if any(word in lowered for word in _GIVEN_AWAY) else None
    return ending["said"].strip() if ending else None
