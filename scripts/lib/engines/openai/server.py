"""Where an OpenAI-compatible server is, how fast it may be asked, and what that may cost: flags, without the key."""

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from scripts.lib.errors import UserError


@dataclass(frozen=True)
class Server:
    """An endpoint. The key itself comes from the environment only."""

    base_url: str | None = None
    """Up to and with /v1, such as https://api.openai.com/v1 (openai)."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; where it is unset none is sent."""
    identity: str | None = None
    """A name under which servers of one and the same model share their samples; default: base_url and model."""
    concurrency: int = 16
    """Requests under way at a time."""
    requests_per_minute: float | None = None
    """Evenly spaced; default: no limit."""
    tokens_per_minute: float | None = None
    """Of prompts and completions; default: no limit."""
    n_per_request: int = 5
    """Completions asked for in one request, where the server knows n; elsewhere it is found out and 1."""
    timeout: float = 300
    """Seconds until a request without a whole reply is given up and sent again."""
    retries: int = 8
    """Times a request is sent again."""
    backoff: float = 1
    """Seconds before the first retry, doubled each time up to 60; what a server asks for (Retry-After) comes first."""
    price_prompt: float = 0
    """Dollars per million prompt tokens."""
    price_completion: float = 0
    """Dollars per million completion tokens."""
    max_dollars: float | None = None
    """The most that the step's completions may cost, those that are stored already counted."""
    max_total_tokens: int | None = None
    """The most tokens, of prompts and completions, counted alike."""

    def url(self) -> str:
        """The normal form of `base_url`. Raises UserError, which does not repeat what could hold a secret."""
        if not self.base_url:
            raise UserError(
                "engine openai needs a server; give --server.base-url, such as https://api.openai.com/v1"
            )
        try:
            parts = urlsplit(self.base_url.strip())
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            raise UserError("base_url is not a URL; give one such as https://api.openai.com/v1") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UserError("base_url must start with http:// or https:// and a host; mend it")
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
        above = ("concurrency", "n_per_request", "timeout", "requests_per_minute", "tokens_per_minute")
        for name in (*above, "max_dollars", "max_total_tokens"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise UserError(f"{name} is {value}; it must be above 0")
        for name in ("retries", "backoff", "price_prompt", "price_completion"):
            if (value := getattr(self, name)) < 0:
                raise UserError(f"{name} is {value}; it must not be negative")
        if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
            raise UserError(
                "max_dollars needs prices; set price_prompt and price_completion (dollars a million)"
            )

    def key(self) -> str:
        """The key, "" where there is none. Raises UserError for one that no header can carry."""
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"the key in {self.api_key_env} holds characters that no key has; set it again")
        return key
