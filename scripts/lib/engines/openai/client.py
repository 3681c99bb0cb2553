"""One request to an OpenAI-compatible server: paced, sent again while that can help, and read with
suspicion."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from scripts.lib.engines.openai.bill import Bill, Tokens
from scripts.lib.engines.openai.failures import Closing, Failure, GaveUp, Refused
from scripts.lib.engines.openai.server import Server

AGAIN = {408, 409, 425, 429}
"""Statuses, beside 5xx, after which the same request may succeed."""
OVERLOADED = {"429", "503", "error 529"}
"""Failures that concern every request: all of them wait, and only a server that answers none of them is given
up."""
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
LONGEST_BACKOFF, LONGEST_WAIT = 60.0, 900.0
"""Seconds between tries of our own choice, and at a server's wish."""
Read = TypeVar("Read")


class Pace:
    """Lets requests through one by one: evenly spaced, within the tokens of a minute, and not while a server
    says wait."""

    def __init__(self, server: Server):
        self.gap = 60 / server.requests_per_minute if server.requests_per_minute else 0.0
        self.seconds_a_token = 60 / server.tokens_per_minute if server.tokens_per_minute else 0.0
        self.next_request = self.next_token = self.held = 0.0
        self.lock = asyncio.Lock()

    async def turn(self, tokens: int, nap: Callable) -> None:
        """Wait for a turn that may use so many tokens."""
        async with self.lock:
            while (wait := max(self.next_request, self.next_token, self.held) - time.monotonic()) > 0:
                await nap(min(wait, 0.2))
            now = time.monotonic()
            self.next_request = now + self.gap
            self.next_token = now + tokens * self.seconds_a_token

    def settle(self, promised: int, used: int) -> None:
        """Give back the tokens that a request did not use."""
        self.next_token -= (promised - used) * self.seconds_a_token

    def hold(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self.held = max(self.held, time.monotonic() + seconds)


class Client:
    """Requests to one server. Must be made and used in one event loop."""

    def __init__(self, server: Server, bill: Bill):
        self.server, self.bill, self._key = server, bill, server.key()
        self.pace, self.closing = Pace(server), asyncio.Event()
        self.overloads = 0
        self.http = httpx.AsyncClient(
            base_url=server.url(),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(server.timeout, connect=min(server.timeout, 30)),
            limits=httpx.Limits(
                max_connections=server.concurrency, max_keepalive_connections=server.concurrency
            ),
        )

    async def nap(self, seconds: float) -> None:
        """Sleep; raises Closing when the run ends meanwhile."""
        if self.closing.is_set():
            raise Closing
        if not seconds:
            return
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return
        raise Closing

    async def ask(
        self, path: str, body: Mapping, tokens: Tokens, n: int, read: Callable[[dict], Read]
    ) -> Read:
        """What `read` makes of the reply; it may raise Failure. `tokens`:
        at most, of the prompt and n completions.

        Raises Refused where asking again is no use, GaveUp after the last retry, Closing when the run ends.
        """
        tries, wait, sent = 0, 0.0, False
        while True:
            await self.nap(wait)
            if sent and not self.bill.fits():
                raise Closing
            await self.pace.turn(tokens.total, self.nap)
            self.bill.requests += 1
            self.bill.retries += sent
            sent = True
            try:
                document = await self._post(path, body)
                before = self.bill.received.total
                found = read(document)
                self.pace.settle(tokens.total, self.bill.received.total - before)
                self.overloads = 0
                return found
            except Failure as failure:
                self.bill.failures[failure.kind] += 1
                if failure.lost:
                    self.bill.lose(tokens, n)
                else:
                    self.pace.settle(tokens.total, tokens.prompt)
                if failure.kind in OVERLOADED:
                    wait = 0.0
                    self._hold(failure.wait or 0)
                else:
                    tries += 1
                    wait = max(self._pause(tries), failure.wait or 0)
                if max(tries, self.overloads) > self.server.retries:
                    raise GaveUp(str(failure)) from None

    def _hold(self, seconds: float) -> None:
        """Let nothing through for at least `seconds`, longer each time that nothing but this has come
        since."""
        if time.monotonic() >= self.pace.held:
            self.overloads += 1
        self.pace.hold(max(self._pause(self.overloads), seconds))

    def _pause(self, number: int) -> float:
        """Seconds before a retry: doubled each time, jittered."""
        longest = min(self.server.backoff * 2 ** max(number - 1, 0), LONGEST_BACKOFF)
        return longest * random.uniform(0.5, 1)

    async def _post(self, path: str, body: Mapping) -> dict:
        """One try: the JSON object that came back with a 2xx."""
        begun = False
        try:
            async with (
                asyncio.timeout(self.server.timeout),
                self.http.stream("POST", path, json=body) as response,
            ):
                begun = True
                content = await response.aread()
        except (TimeoutError, httpx.TimeoutException):
            raise Failure("timeout", f"no whole reply in {self.server.timeout:g} s", lost=True) from None
        except httpx.TransportError as error:
            if begun:
                raise Failure("half a body", lost=True) from None
            connected = not isinstance(error, httpx.ConnectError)
            raise Failure("connection", self.redacted(str(error)), lost=connected) from None
        except httpx.RequestError:
            raise Failure("invalid body", lost=True) from None
        self._check(response, content)
        if not content.strip():
            raise Failure("empty body", lost=True)
        try:
            document = json.loads(content)
        except ValueError:
            raise Failure("invalid JSON", lost=True) from None
        if not isinstance(document, dict):
            raise Failure("invalid JSON", "not an object", lost=True)
        if document.get("error") and not document.get("choices"):
            code, reason = self._complaint(content)
            raise Failure(f"error {code}".strip() if len(code) < 40 else "error", reason)
        return document

    def _check(self, response: httpx.Response, content: bytes) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        code, reason = self._complaint(content)
        wait = retry_after(response.headers)
        where = f"{self.server.url()} answers {status}"
        if status == 429 and code in NO_CREDIT:
            raise Refused(f"{where}: {reason}; add credit and run again", status, code, reason)
        if status in AGAIN or status >= 500:
            if wait is not None and wait > LONGEST_WAIT:
                raise Refused(
                    f"{where} and asks to wait {wait:.0f} s: {reason}; what has come is stored, "
                    "run again then",
                    status,
                    code,
                    reason,
                )
            raise Failure(str(status), reason, wait)
        variable = self.server.api_key_env
        mend = {
            401: f"put a valid key into {variable}" if self._key else f"set {variable}",
            403: f"the key in {variable} may not do this" if self._key else f"set {variable}",
            404: "check base_url and the model's name",
        }.get(status, "check base_url" if status < 400 else "mend what it names")
        raise Refused(f"{where}: {reason or 'no reason given'}; {mend}", status, code, reason)

    def _complaint(self, content: bytes) -> tuple[str, str]:
        """The server's code and words, the key blotted out."""
        text = content.decode("utf-8", "replace")
        try:
            document = json.loads(text)
        except ValueError:
            return "", " ".join(self.redacted(text).split())[:200]
        error = document.get("error", document) if isinstance(document, dict) else document
        if not isinstance(error, dict):
            return "", " ".join(self.redacted(str(error)).split())[:400]
        message = error.get("message") or error.get("detail") or error
        code = str(error.get("code") or error.get("type") or "")
        return self.redacted(code), " ".join(self.redacted(str(message)).split())[:400]

    def redacted(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self._key, "***") if self._key else text


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: retry-after-ms, or Retry-After in seconds or as a date;
    None without."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return max(seconds, 0.0) if seconds < float("inf") else None
    try:
        return max(parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time(), 0.0)
    except (KeyError, TypeError, ValueError):
        return None
