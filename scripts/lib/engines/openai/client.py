"""One request to an OpenAI-compatible server: paced, sent again while that can help, and read with
suspicion."""

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from scripts.lib.engines.openai.bill import Bill, Tokens
from scripts.lib.engines.openai.failures import Closing, Failure, GaveUp, Refused
from scripts.lib.engines.openai.redaction import Redaction
from scripts.lib.engines.openai.refusals import Complaint
from scripts.lib.engines.openai.server import OMITTABLE, Server
from scripts.lib.errors import UserError

AGAIN = {408, 409, 425, 429}
"""Statuses, beside 5xx, after which the same request may succeed."""
OVERLOADED = {"429", "503", "error 529"}
"""Failures that concern every request: all of them wait, and only a server that answers none of them is given
up."""
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
LONGEST_BACKOFF, LONGEST_WAIT = 60.0, 900.0
"""Seconds between tries of our own choice, and at a server's wish."""
LARGEST = 32 << 20
"""Bytes of the longest reply that is read, unpacked."""
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
        self.server, self.bill, key = server, bill, server.key()
        self.keyed, self.redaction = bool(key), Redaction(key)
        self.pace, self.closing = Pace(server), asyncio.Event()
        self.overloads = 0
        try:
            self.http = httpx.AsyncClient(
                base_url=server.url(),
                headers={"Accept-Encoding": "gzip"} | ({"Authorization": f"Bearer {key}"} if key else {}),
                timeout=httpx.Timeout(server.timeout, connect=min(server.timeout, 30)),
                limits=httpx.Limits(
                    max_connections=server.concurrency, max_keepalive_connections=server.concurrency
                ),
                trust_env=server.url().startswith("https:"),  # what is not encrypted passes no proxy
            )
        except (ValueError, ImportError):
            raise UserError(
                "HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used; give it as http://host:port, "
                "or unset it"
            ) from None

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
            except Refused:
                self.pace.settle(tokens.total, 0)
                raise
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
                content = await _whole(response)
        except (TimeoutError, httpx.TimeoutException):
            raise Failure("timeout", f"no whole reply in {self.server.timeout:g} s", lost=True) from None
        except httpx.TransportError as error:
            if begun:
                raise Failure("half a body", lost=True) from None
            connected = not isinstance(error, httpx.ConnectError)
            raise Failure("connection", self.redaction.words(str(error)), lost=connected) from None
        except httpx.RequestError:
            raise Failure("invalid body", lost=True) from None
        document = self._parsed(content)
        if not 200 <= response.status_code < 300:
            raise self._failure(Complaint.of(response.status_code, document), body, response.headers)
        if not content.strip():
            raise Failure("empty body", lost=True)
        if content.lstrip().startswith((b"data:", b"event:", b":")):
            raise Refused(
                f"{self.server.url()} streams (server-sent events) though the request says stream: false; "
                "give an address that answers with one JSON object",
                Complaint(response.status_code),
            )
        if not isinstance(document, dict):
            raise Failure("invalid JSON", lost=True)
        if _is_error(document):
            raise self._failure_inside(document, body)
        return document

    def _parsed(self, content: bytes) -> object:
        """The JSON of a reply, else its text; here all that a server says loses the key, and halves of
        letters that no file can hold."""
        try:
            return self._clean(json.loads(content), self.redaction.words)
        except (ValueError, RecursionError):
            return self.redaction.words(content[:4000].decode("utf-8", "replace"))

    def _clean(self, value: object, redact: Callable[[str], str]) -> object:
        if isinstance(value, str):
            return redact(value.encode("utf-8", "replace").decode())
        if isinstance(value, list):
            return [self._clean(each, redact) for each in value]
        if isinstance(value, dict):
            inside = {"choices": self.redaction.completion, "finish_reason": self.redaction.words}
            return {name: self._clean(each, inside.get(name, redact)) for name, each in value.items()}
        return value

    def _failure(
        self, complaint: Complaint, body: Mapping, headers: Mapping[str, str], kind: str = ""
    ) -> Exception:
        """What a reply that is no answer amounts to: a Failure, which may pass, or a Refused."""
        status, wait = complaint.status, retry_after(headers)
        where = f"{self.server.url()} answers {status}"
        if status == 429 and NO_CREDIT & {complaint.code, complaint.kind}:
            return Refused(f"{where}: {complaint.message}; add credit and run again", complaint)
        passing = status >= 500 and not (complaint.reason() or complaint.about_n())
        if (status in AGAIN or passing) and (wait or 0) > LONGEST_WAIT:
            return Refused(
                f"{where} and asks to wait {wait:.0f} s: {complaint.message}; what has come is stored, "
                "run again then",
                complaint,
            )
        if status in AGAIN or passing:
            return Failure(kind or str(status), complaint.message, wait)
        variable, refused = self.server.api_key_env, complaint.parameter(body)
        mend = {
            401: f"put a valid key into {variable}" if self.keyed else f"set {variable}",
            403: f"the key in {variable} may not do this" if self.keyed else f"set {variable}",
            404: "check base_url and the model's name",
        }.get(status, "check base_url" if status < 400 else "mend what it names")
        if refused:
            mend = f"server.omit: [{refused}] asks without" if refused in OMITTABLE else f"drop {refused}"
            mend = f"it takes no {refused} as it is sent; {mend}, or ask another server or model"
        return Refused(f"{where}: {complaint.message or 'no reason given'}; {mend}", complaint)

    def _failure_inside(self, document: Mapping, body: Mapping) -> Exception:
        """The same for an error that came with status 200: its code may be a status."""
        said = Complaint.of(400, document)
        if re.fullmatch(r"[45]\d\d", said.code):
            complaint = Complaint.of(int(said.code), document)
            return self._failure(complaint, body, {}, f"error {said.code}")
        if said.reason():
            return self._failure(said, body, {})
        return Failure(f"error {said.code or said.kind}".strip()[:40], said.message)


async def _whole(response: httpx.Response) -> bytes:
    """The body of a reply. Raises Failure for one too large, or packed in a way that could hide its size."""
    if response.headers.get("content-encoding", "identity").lower() not in {"identity", "gzip", "deflate"}:
        raise Failure("invalid body", "packed in a way that was not asked for", lost=True)
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > LARGEST:
            raise Failure("reply too large", f"over {LARGEST >> 20} MB", lost=True)
    return bytes(content)


def _is_error(document: Mapping) -> bool:
    base = document.get("base_resp")  # MiniMax's
    failed = document.get("error") or (isinstance(base, Mapping) and base.get("status_code"))
    return bool(failed) and not document.get("choices")


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
