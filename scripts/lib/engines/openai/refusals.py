"""What a server refuses: one prompt, n, a parameter, or every request there is.

Servers agree neither on codes nor on words. So what they say decides where it is known, and otherwise what
has worked: once requests of the same shape have been answered, a refusal is about the prompt that is in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ABOUT_PROMPT = {400, 413, 422, 451}
"""Statuses of a request whose content is refused; others (401, 402, 404) never speak of one prompt."""
BY_WORDS = {403, 500, 501}
"""Statuses that speak of the prompt, or of n, where their words say so."""
_FILTERED = re.compile(
    r"""content[ _-]?(?:filter|policy|management|moderation|exists[ _-]risk)      # Azure, OpenAI, DeepSeek
    | content\s(?:\w+\s)?violat | violat\w*\s[^.]{0,40}polic                  # xAI, OpenAI
    | usage[ ](?:polic|guideline) | responsible[ ]?ai | high[ ]risk           # OpenAI, xAI, Azure, Moonshot
    | data_?inspection | inappropriate | censor                               # DashScope, StepFun
    | sensitive[ _]?(?:content|information|word|topic) | _sensitive           # MiniMax, Volcengine
    | \bflagged\b | requires[ ]moderation | guardrail                         # OpenRouter, Mistral, Bedrock
    | safety[ ](?:system|check|filter|polic|reason) | prohibited | harmful    # OpenAI, Gemini
    | 敏感 | 不安全 | 违规 | 违法                                               # Zhipu, Baidu
    """,
    re.I | re.X,
)
_TOO_LONG = re.compile(
    r"""context[ _-]?(?:length|window|size|limit)                             # OpenAI, vLLM, Groq, llama.cpp
    | (?:prompt|input|request|messages?|text|contents?)\b.{0,40}\btoo[ ](?:long|large)  # Anthropic, Mistral
    | too[ ]many[ ](?:\w+[ ])?tokens | output[ ]limit[ ]was[ ]reached         # Cohere, OpenAI
    | tokens?\b.{0,60}(?:exceed|longer[ ]than|must[ ]be[ ]<=|less[ ]than)     # Gemini, SGLang, TGI, Together
    | (?:exceed|longer[ ]than|reduce)\w*\b.{0,60}\b(?:tokens?|length)         # Azure, Groq
    | range[ ]of[ ]input[ ]length | 超长 | 过长                                # DashScope, Zhipu
    """,
    re.I | re.X,
)
_ABOUT_N = re.compile(
    r"""['"`\[(]n['"`\])] | \binvalid[ ]n\b | \b(?:parameter|field|argument|option)[ ]n\b
    | \bn\b\s?(?:[><=]|\b(?:must|should|is|value|param\w*|not|can\w*|only|do\w*)\b|参数)
    | \b(?:multiple|several|only[ ](?:one|1|a[ ]single)|single|number[ ]of|more[ ]than[ ](?:one|1))\s
      (?:\w+\s){0,2}?(?:choice|completion|candidate|output|response|generation|sequence|sample)s?\b
    | best_?of | candidate_?count | num_return_sequences
    """,
    re.I | re.X,
)
_EVERY_REQUEST = re.compile(
    r"""api[ _-]?key | authenti | authori[sz] | credential | permission | quota | billing | balance | arrear
    | \bmodel\b.{0,80}(?:\bnot\b|n't|no[ ]longer|unknown|invalid|exist|found|retired|deprecat)
    | (?:no[ ]such|unknown|invalid|unsupported|valid)[ ]model
    | (?:unknown|unsupported|unrecogni[sz]ed|unexpected|extra|invalid|missing)[ _]
      (?:\w+[ _])?(?:parameter|argument|field|property|value|inputs?|key)s?
    | not[ ](?:supported|permitted|allowed|implemented) | n[o']t[ ]support
    """,
    re.I | re.X,
)
REFUSED = ("temperature", "stop", "top_p", "top_k", "min_p")
"""Parameters that some servers or models refuse."""


@dataclass(frozen=True)
class Complaint:
    """What a server says of a request that it did not answer."""

    status: int
    code: str = ""
    kind: str = ""
    param: str = ""
    message: str = ""

    @classmethod
    def of(cls, status: int, document: Any) -> "Complaint":
        """That of a reply's JSON, or of its text where it is none."""
        error = (document.get("error") or document) if isinstance(document, Mapping) else document
        if not isinstance(error, Mapping):
            return cls(status, message=_line(error))
        if isinstance(base := error.get("base_resp"), Mapping):  # MiniMax
            error = {"code": base.get("status_code"), "message": base.get("status_msg")}
        code, kind, param = (str(error.get(name) or "") for name in ("code", "type", "param"))
        return cls(status, code, kind, param, _line(error.get("message") or error.get("detail") or error))

    @property
    def words(self) -> str:
        """All it says."""
        return f"{self.code} {self.kind} {self.message}"

    def reason(self) -> str | None:
        """The finish reason of the prompt that it names; None where it names no prompt."""
        if self.status not in ABOUT_PROMPT | BY_WORDS:
            return None
        if _FILTERED.search(self.words):
            return "content_filter"
        return "length" if self.status != 403 and _TOO_LONG.search(self.words) else None

    def about_n(self) -> bool:
        """Whether it refuses several completions of one request."""
        named = self.param == "n" or (not self.reason() and _ABOUT_N.search(self.message))
        return self.status in ABOUT_PROMPT | BY_WORDS and bool(named)

    def parameter(self, body: Mapping) -> str | None:
        """The parameter of the request that it names and that some servers refuse."""
        named = (name for name in REFUSED if name in body and re.search(rf"\b{name}\b", self.message))
        return self.param if self.param in REFUSED else next(named, None)

    def outcome(self, body: Mapping, worked: bool) -> str | None:
        """The finish reason of the refused prompt; None where the request is refused, whatever its prompt.

        `worked`: requests like it have been answered. Where the words name neither, a prompt is refused.
        """
        if (reason := self.reason()) or self.status not in ABOUT_PROMPT:
            return reason
        every = not worked and (_EVERY_REQUEST.search(self.words) or self.parameter(body))
        return None if every else "content_filter"


def _line(value: object) -> str:
    return " ".join(str(value).split())[:400]
