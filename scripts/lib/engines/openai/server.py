"""Where an OpenAI-compatible server is, how fast it may be asked, and what that may cost; never the key
itself."""

import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from annotated_types import Ge, Gt

from scripts.lib.errors import UserError
from scripts.lib.settings.source import Source
from scripts.lib.settings.step import StepSettings

Count = Annotated[int, Gt(0), Source("ours")]
Limit = Annotated[float | None, Gt(0), Source("ours")]
Price = Annotated[float, Ge(0), Source("ours")]
Omittable = Literal["temperature", "stop", "seed"]
OMITTABLE = get_args(Omittable)
"""Parameters that a request can do without, where a server refuses them."""
MEANT_FOR = {
    "ANTHROPIC": ("anthropic.com",),
    "AWS": ("amazonaws.com",),
    "AZURE": ("azure.com",),
    "GEMINI": ("googleapis.com",),
    "GH": ("github.com", "github.ai"),
    "GITHUB": ("github.com", "github.ai", "azure.com"),
    "GOOGLE": ("googleapis.com",),
    "HF": ("huggingface.co", "huggingface.cloud", "hf.space"),
    "HUGGINGFACE": ("huggingface.co", "huggingface.cloud", "hf.space"),
    "HUGGING": ("huggingface.co", "huggingface.cloud", "hf.space"),
    "OPENAI": ("openai.com", "azure.com"),
    "WANDB": ("wandb.ai",),
}
"""The hosts, with those below them, that keys may go to whose variables begin so: people have these set for
other things than the server of a config. This machine is everybody's."""
SHORTEST_KEY = 8
"""Characters; what servers without keys are given is shorter, such as EMPTY."""
_KEY_LIKE = re.compile(r"(?=[A-Z0-9]*\d)[A-Z0-9]{12}|[A-Z0-9]{20}")
"""A word that no variable's name has."""


@dataclass(frozen=True, kw_only=True)
class Server(StepSettings):
    """An OpenAI-compatible server. Its key is read from the environment, and stands nowhere else."""

    WHICH: ClassVar = ("base_url", "identity", "omit")
    """Keys that say who answers, and to what. The others say how fast it is asked and what that may cost:
    no part of a result."""

    base_url: Annotated[str | None, Source("ours")] = None
    """Up to and with /v1, such as https://api.openai.com/v1; a server needs one."""
    api_key_env: Annotated[str, Source("OpenAI's client")] = "OPENAI_API_KEY"
    """Name of the environment variable with the key; where it is unset none is sent."""
    allow_http: Annotated[bool, Source("ours")] = False
    """Ask another machine over http://, as in a private cluster: the key and all that is asked can be read on
    the way."""
    identity: Annotated[str | None, Source("ours")] = None
    """Name under which servers of one and the same model share their samples; null: base_url and model."""
    omit: Annotated[tuple[Omittable, ...], Source("ours")] = ()
    """Parameters that the server refuses, left out of requests. Without temperature it draws at its own; stop
    strings cut its replies here."""
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
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+", parts.hostname):
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
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", self.api_key_env) or _KEY_LIKE.search(self.api_key_env):
            raise UserError(
                "api_key_env is the name of an environment variable, in capitals, never the key itself"
            )
        if self.url().startswith("http:") and not (self.allow_http or self.here):
            raise UserError(
                f"base_url asks {self.host} over http, where all can read the key and what is asked; "
                "use https, or allow_http: true for a host of a private network"
            )
        self.key()
        if self.identity is not None and not re.fullmatch(r"[\w.:/@#+-]+", self.identity):
            raise UserError("identity is one word of letters, digits and .:/@#+-; mend it")
        if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
            raise UserError(
                "max_dollars needs prices; set price_prompt and price_completion (dollars per million tokens)"
            )

    @property
    def host(self) -> str:
        """The host that is asked."""
        return urlsplit(self.url()).hostname or ""

    @property
    def here(self) -> bool:
        """Whether that is this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def key(self) -> str:
        """The key, "" where there is none.

        Raises UserError for one that no header can carry, that is meant for another host, or that base_url
        shows.
        """
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"the key in {self.api_key_env} holds characters that no key has; set it again")
        hosts = MEANT_FOR.get(self.api_key_env.strip("_").split("_")[0])
        own = not hosts or self.here or any(f".{self.host}".endswith(f".{host}") for host in hosts)
        if key and not own:
            raise UserError(
                f"the key in {self.api_key_env} is meant for {' or '.join(hosts or ())}, not {self.host}; "
                "name the variable that holds this server's key in api_key_env"
            )
        if len(key) >= SHORTEST_KEY and key in (self.base_url or ""):
            raise UserError(
                f"base_url holds the key in {self.api_key_env}, and is shown in reports; take it out"
            )
        return key
