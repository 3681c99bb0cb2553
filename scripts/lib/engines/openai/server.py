"""Where an OpenAI-compatible server is, how fast it may be asked, and what that may cost; never the key
itself."""

import os
import re
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from annotated_types import Ge, Gt

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

Count = Annotated[int, Gt(0), Source("ours")]
Limit = Annotated[float | None, Gt(0), Source("ours")]
Price = Annotated[float, Ge(0), Source("ours")]


@dataclass(frozen=True, kw_only=True)
class Server(StepSettings):
    """An OpenAI-compatible server. Its key is read from the environment, and stands nowhere else."""

    WHICH: ClassVar = ("base_url", "identity")
    """Keys that say who answers. The others say how fast it is asked and what that may cost:
    no part of a result."""

    base_url: Annotated[str | None, Source("ours")] = None
    """Up to and with /v1, such as https://api.openai.com/v1; a server needs one."""
    api_key_env: Annotated[str, Source("OpenAI's client")] = "OPENAI_API_KEY"
    """Name of the environment variable with the key; where it is unset none is sent."""
    identity: Annotated[str | None, Source("ours")] = None
    """Name under which servers of one and the same model share their samples; null: base_url and model."""
    concurrency: Count = 16
    """Requests under way at a time."""
    requests_per_minute: Limit = None
    """Evenly spaced; null: no limit."""
    tokens_per_minute: Limit = None
    """Of prompts and completions; null: no limit."""
    n_per_request: Count = 5
    """Completions asked for in one request; a server that knows no n is found out."""
    timeout: Annotated[float, Gt(0), Source("ours")] = 300
    """Seconds until a request without a whole reply is given up and sent again."""
    retries: Annotated[int, Ge(0), Source("ours")] = 8
    """Times a request is sent again."""
    backoff: Annotated[float, Ge(0), Source("ours")] = 1
    """Seconds before the first retry, doubled up to 60; what a server asks for (Retry-After) comes first."""
    price_prompt: Price = 0
    """Dollars per million prompt tokens."""
    price_completion: Price = 0
    """Dollars per million completion tokens."""
    max_dollars: Limit = None
    """The most that a step's completions may cost, over all its runs; then it stops; null: no limit."""
    max_total_tokens: Annotated[int | None, Gt(0), Source("ours")] = None
    """The same in tokens of prompts and completions; null: no limit."""

    def url(self) -> str:
        """The normal form of `base_url`. Raises UserError, which does not repeat what could hold a secret."""
        if not self.base_url:
            raise UserError(
                "a server needs base_url, up to and with /v1; give one such as https://api.openai.com/v1"
            )
        try:
            parts = urlsplit(self.base_url.strip())
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            raise UserError("base_url is not a URL; give one such as https://api.openai.com/v1") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UserError("base_url must start with http:// or https:// and a host; mend it")
        if not re.fullmatch(r"[\w.:%-]+", parts.hostname):
            raise UserError("base_url holds characters that no host has; mend it")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UserError(
                "base_url must hold no user, password or query; the key belongs into the environment"
            )
        if not re.fullmatch(r"[\w.:/@%~+-]*", parts.path):
            raise UserError("base_url holds characters that no path has; mend it")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        path = re.sub(r"(/chat)?/completions$", "", parts.path.rstrip("/"))
        return f"{parts.scheme}://{host}{port}{path}"

    def check(self) -> None:
        """Raise UserError for a server that cannot be asked, or a budget that cannot be held."""
        self.url()
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.api_key_env):
            raise UserError(
                "api_key_env is the name of an environment variable, in capitals, never the key itself"
            )
        if self.identity is not None and not re.fullmatch(r"[\w.:/@#+-]+", self.identity):
            raise UserError("identity is one word of letters, digits and .:/@#+-; mend it")
        if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
            raise UserError(
                "max_dollars needs prices; set price_prompt and price_completion (dollars per million tokens)"
            )

    def key(self) -> str:
        """The key, "" where there is none. Raises UserError for one that no header can carry."""
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"the key in {self.api_key_env} holds characters that no key has; set it again")
        return key
