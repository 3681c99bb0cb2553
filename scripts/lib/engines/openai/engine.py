"""The openai engine: a model behind any OpenAI-compatible server, by base URL and name; the black-box
teacher.

The model's identity is `openai:<base_url>#<name>`: the same name elsewhere may be another model, and what a
server answers for an alias can change, so name a dated snapshot. `identity` in the config joins servers of
one model.
"""

import asyncio
import json
import re
import sys
from collections import Counter, deque
from collections.abc import Generator, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scripts.lib.engines.base import Completion, Finished, Prompt, Request, Settings
from scripts.lib.engines.openai.bill import Bill, Tokens
from scripts.lib.engines.openai.failures import Closing, Failure, GaveUp, Refused
from scripts.lib.engines.openai.refusals import Complaint
from scripts.lib.engines.openai.replies import (
    UNKNOWN,
    as_verdict,
    listed,
    of_all,
    read_choice,
    reason_of,
    reasoning_of,
    share,
    share_reasoning,
    usage_of,
)
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import Shot
from scripts.lib.models.thoughts import opens_thought
from scripts.lib.process.signals import deferred

if TYPE_CHECKING:
    from scripts.lib.engines.openai.client import Client

MOST_GIVEN_UP = 3
"""Requests given up in a row before the server counts as down."""
MOST_REFUSED = 10
"""Prompts refused in a row, in words that name no prompt or before one was answered, until the server counts
as refusing all."""
MOST_EMPTY = 2
"""Times a prompt is asked again at a temperature because a reply was empty."""
TICK = 0.1
"""Seconds after which nothing is handed over where nothing has come, so that what came before is stored."""
TOP, TOP_OF_TEXT = 20, 5
"""Likeliest tokens that a server names, at most: behind a chat, and behind a text."""
GRACE = 10.0
"""Seconds that a terminated run waits for replies under way."""


class OpenAI:
    """A model of a server; see `scripts.lib.engines.base.Engine`. Raises UserError for a server that cannot
    be asked."""

    remote: ClassVar[bool] = True
    reserves: ClassVar[bool] = False
    dtype = None
    unit = 1

    def __init__(self, model: str, revision: str | None, settings: Settings):
        if revision:
            raise UserError(
                f"--revision {revision} says nothing to a server; leave it out, the model's name pins it"
            )
        settings.server.check()
        self.model, self.settings, self.server = model, settings, settings.server
        self.identity = f"openai:{self.server.identity or f'{self.server.url()}#{model}'}"
        self.versions: dict[str, str] = {"httpx": version("httpx")}
        self.bill = Bill(self.server)
        self.together = self.server.n_per_request
        self.seeded, self.length = "seed" not in self.server.omit, "max_tokens"
        self.weighs = True
        self.worked, self.doubtful = False, True
        """Whether requests have been answered, and whether n may be what an unclear refusal is about."""
        self.empty: Counter[tuple[str, float]] = Counter()
        self.strange: set[str] = set()

    def render(self, question: str, options: Sequence[str], shots: Sequence[Shot] = ()) -> Prompt:
        """The template's text, or its messages as JSON; the server makes tokens of them."""
        template = self.settings.template
        if not template.chat:
            return Prompt("text", template.text(question, options, shots))
        messages = template.messages(question, options, shots)
        return Prompt("messages", json.dumps(messages, ensure_ascii=False, indent=1))

    def generate(self, requests: Sequence[Request], missing: np.ndarray) -> Generator[Finished, None, None]:
        """Yield replies as they come, and an empty list where none has for a moment (TICK).

        Raises UserError when the budget is spent or the server fails for good, after all that came has been
        yielded.
        """
        wanted = [requests[place] for place in np.flatnonzero(missing).tolist()]
        self.worked |= len(wanted) < len(requests)
        loop = asyncio.new_event_loop()
        run = _Run(self, wanted, loop.run_until_complete(self._client()))
        step = None
        try:
            with deferred(loop, lambda: step and step.cancel()) as told:
                while not run.over() and not told:
                    step = loop.create_task(run.step())
                    try:
                        finished = loop.run_until_complete(step)
                    except asyncio.CancelledError:
                        break
                    yield finished
                if told and (finished := loop.run_until_complete(run.drain(GRACE))):
                    yield finished
            if finished := run.refused_prompts():
                yield finished
        finally:
            loop.run_until_complete(run.close())
            loop.close()
            print(f"{self.server.url()}: {self.bill.line()}", file=sys.stderr, flush=True)
        run.conclude()

    async def _client(self) -> "Client":
        from scripts.lib.engines.openai.client import (
            Client,  # a plan never asks a server, and starts faster without
        )

        return Client(self.server, self.bill)

    def body(self, group: Sequence[Request]) -> dict:
        """The request for the samples of one prompt and temperature."""
        first, settings = group[0], self.settings
        chat = first.prompt.form == "messages"
        body = {"model": self.model, self.length: settings.max_tokens}
        body["stream"] = False  # some stream unless told not to
        body |= {"messages": json.loads(first.prompt.text)} if chat else {"prompt": first.prompt.text}
        if len(group) > 1:
            body["n"] = len(group)
        if self.seeded:
            body["seed"] = first.seed % 2**31
        if "temperature" not in self.server.omit:
            body["temperature"] = first.temperature
        body |= settings.truncation.changed()
        if settings.template.stops and "stop" not in self.server.omit:
            body["stop"] = list(settings.template.stops)
        if settings.verdicts and self.weighs:
            body |= {"logprobs": True, "top_logprobs": TOP} if chat else {"logprobs": TOP_OF_TEXT}
        if settings.run.chat_template_kwargs:
            body["chat_template_kwargs"] = settings.run.chat_template_kwargs
        return body

    def at_most(self, group: Sequence[Request]) -> Tokens:
        """Tokens that a group may use."""
        return Tokens(self.bill.estimate(group[0].prompt.text), len(group) * self.settings.max_tokens)

    async def ask(self, client: "Client", group: Sequence[Request]) -> list[Completion]:
        """Completions of the first requests of the group: all, or fewer where the server gave fewer."""
        chat = group[0].prompt.form == "messages"
        single = False
        while True:
            body = self.body(group)
            try:
                found = await client.ask(
                    "chat/completions" if chat else "completions",
                    body,
                    self.at_most(group),
                    len(group),
                    partial(self.read, group),
                )
            except Refused as refusal:
                if self._learn(refusal.complaint, body):
                    if len(group) > self.together:
                        return []
                elif self._may_be_n(refusal.complaint, body):
                    group, single = group[:1], True
                else:
                    self.doubtful &= not single
                    raise
            else:
                if single:
                    self._one_each("it refuses several of a prompt")
                return found

    def _learn(self, complaint: Complaint, body: dict) -> bool:
        """Whether the refused request can be put in words that this server knows."""
        if "n" in body and complaint.about_n():
            self._one_each(complaint.message)
        elif complaint.status not in (400, 422):
            return False
        elif "max_completion_tokens" in complaint.message and "max_tokens" in body:
            self.length = "max_completion_tokens"
        elif "logprobs" in body and re.search(r"log_?probs?", complaint.message, re.I):
            self.weighs = False
        elif "seed" in body and re.search(r"\bseed\b", complaint.message):
            self.seeded = False
        else:
            return False
        return True

    def _may_be_n(self, complaint: Complaint, body: dict) -> bool:
        """Whether a request is worth another try for one completion: nothing says what was refused, this
        server has never given several, and one was never refused as well."""
        return "n" in body and self.doubtful and complaint.status in (400, 422) and not complaint.reason()

    def _one_each(self, why: str) -> None:
        if self.together > 1:
            self._tell(
                f"the server gives one completion per request ({why}); asking so, as n_per_request: 1 does"
            )
        self.together = 1

    def _tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def read(self, group: Sequence[Request], document: dict) -> list[Completion]:
        """The completions of a reply, at most as many as asked for. Raises Failure when there is none.

        Enters the reply into the bill, by the server's count or an estimate.
        """
        choices, opened = listed(document.get("choices")), opens_thought(group[0].prompt.text)
        stops = self.settings.template.stops
        read = [(read_choice(each, stops, opened), each) for each in choices]
        found = [
            as_verdict(choice, each, self.settings.verdicts) if self.settings.verdicts else choice
            for choice, each in read
            if choice
        ]
        if not found:
            raise Failure("no choices", lost=True)
        self._note(document.get("model"), choices)
        usage, limit = document.get("usage"), self.settings.max_tokens
        counted = usage_of(usage)
        counted = counted and of_all(counted, document.get("timings"), found, limit)
        texts = [(choice.reasoning or "") + choice.text for choice in found]
        tokens = self.bill.receive(group[0].prompt.text, texts, counted)
        if len(choices) > 1:
            self.doubtful = False
        elif len(group) > 1:
            self._one_each("of several it sends one")
        shares = share(tokens.completion, found, limit)
        thoughts = share_reasoning(reasoning_of(usage), found, shares)
        kept: list[Completion] = []
        for choice, number, thought in list(zip(found, shares, thoughts, strict=True))[: len(group)]:
            reason = choice.reason
            if reason is None:
                reason = UNKNOWN if not counted else "length" if number >= limit else "stop"
            if reason == "stop" and not choice.text.strip():
                if self._again(group[0]):
                    continue
                reason = UNKNOWN
            paid = 0 if kept else tokens.prompt
            kept.append(Completion(choice.text, reason, number, paid, choice.reasoning, thought))
        if not kept:
            raise Failure("empty reply")
        return kept

    def _again(self, request: Request) -> bool:
        """Whether a prompt is to be asked again after an empty reply."""
        self.empty[request.key, request.temperature] += 1
        return self.empty[request.key, request.temperature] <= min(MOST_EMPTY, self.server.retries)

    def _note(self, name: object, choices: Sequence[object]) -> None:
        """Keep the name under which the server answers, and say what is strange about its replies."""
        known = self.versions.get("model", "").split(", ") if "model" in self.versions else []
        if isinstance(name, str) and name not in known:
            if known:
                self._tell(f"warning: the server now answers as {name}, before as {known[-1]}")
            self.versions = {"model": ", ".join([*known, name])} | {"httpx": self.versions["httpx"]}
        stated = {
            str(each["finish_reason"])
            for each in choices
            if isinstance(each, dict) and each.get("finish_reason")
        }
        for reason in sorted(stated - self.strange):
            if reason_of(reason) == UNKNOWN:
                self.strange.add(reason)
                self._tell(
                    f"warning: completions end for a reason of the server's own, {reason[:80]!r}: "
                    f"kept as {UNKNOWN}, never learnt"
                )


class _Run:
    """The requests of one call of `generate`: waiting, under way, and why it ends."""

    def __init__(self, engine: OpenAI, wanted: Sequence[Request], client: "Client"):
        self.engine, self.client, self.bill = engine, client, engine.bill
        self.waiting = deque(_groups(wanted, engine.together))
        self.running: dict[asyncio.Task, tuple[list[Request], Tokens]] = {}
        self.refusal: UserError | None = None
        self.given_up: list[str] = []
        self.in_a_row = 0
        self.refused: list[tuple[list[Request], str, Refused]] = []
        """Prompts refused since something was answered, with the finish reason each would have."""
        self.broke = False

    def over(self) -> bool:
        """Whether nothing is under way and nothing will be sent."""
        return not self.running and (not self.waiting or self.client.closing.is_set())

    async def step(self) -> Finished:
        """Send what may be sent, and wait until something has come, or a moment is over (TICK)."""
        while self.waiting and len(self.running) < self.engine.server.concurrency:
            if self.client.closing.is_set():
                break
            group = self.waiting[0]
            if len(group) > self.engine.together:
                self.waiting.popleft()
                self.waiting.extendleft(reversed(_groups(group, self.engine.together)))
                continue
            tokens = self.engine.at_most(group)
            if not self.bill.fits(tokens):
                if not self.running:
                    self.broke = True
                    self.client.closing.set()
                break
            self.waiting.popleft()
            self.bill.reserved += tokens
            self.running[asyncio.ensure_future(self.engine.ask(self.client, group))] = group, tokens
        if not self.running:
            return []
        done, _ = await asyncio.wait(self.running, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
        return self._collect(done)

    def _collect(self, done: set[asyncio.Task]) -> Finished:
        finished: Finished = []
        for task in done:
            group, tokens = self.running.pop(task)
            self.bill.reserved -= tokens
            try:
                completions = task.result()
            except GaveUp as failure:
                self.given_up.append(str(failure))
                self.in_a_row += 1
                if self.in_a_row >= MOST_GIVEN_UP:
                    self.client.closing.set()
            except Refused as refusal:
                finished += self._refuse(group, refusal)
            except (Closing, asyncio.CancelledError):
                self.waiting.appendleft(group)
            else:
                self.in_a_row, self.engine.worked = 0, True
                finished += self.refused_prompts()
                finished += zip(group, completions, strict=False)
                if len(completions) < len(group):
                    self.waiting.appendleft(group[len(completions) :])
        return finished

    def _refuse(self, group: list[Request], refusal: Refused) -> Finished:
        """Take note of a refusal: the outcome of its prompt, or the end of the run.

        A prompt's counts at once where requests have been answered and the server's words name the prompt,
        else when something is answered after it: so a server that refuses all that it is asked stops the run,
        and leaves nothing behind.
        """
        complaint, engine = refusal.complaint, self.engine
        reason = complaint.outcome(engine.body(group), engine.worked)
        if reason:
            self.refused.append((group, reason, refusal))
            if engine.worked and complaint.reason():
                return self.refused_prompts()
        if not reason or len({group[0].key for group, _, _ in self.refused}) >= MOST_REFUSED:
            self.refusal = self.refusal or refusal
            self.client.closing.set()
        return []

    def refused_prompts(self) -> Finished:
        """The outcomes of the prompts refused so far, unless that is all the server does: no text, for the
        reason it gave."""
        if not self.engine.worked or self.refusal:
            return []
        finished: Finished = []
        for group, reason, refusal in self.refused:
            query = group[0].prompt.query_id or group[0].key
            print(f"query {query}: kept as {reason}, {refusal}", file=sys.stderr, flush=True)
            self.bill.failures[f"refused: {reason}"] += 1
            finished += [(request, Completion("", reason, 0, 0)) for request in group]
        self.refused.clear()
        return finished

    async def drain(self, seconds: float) -> Finished:
        """Send nothing more; what comes within so many seconds."""
        self.client.closing.set()
        if not self.running:
            return []
        print(f"{len(self.running)} requests are under way", file=sys.stderr, flush=True)
        done, _ = await asyncio.wait(self.running, timeout=seconds)
        return self._collect(done)

    async def close(self) -> None:
        """Drop what is under way and close the connections."""
        self.client.closing.set()
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        await self.client.http.aclose()

    def conclude(self) -> None:
        """Raise UserError unless everything has come: one line that says why, what was spent, and the
        mend."""
        left = sum(map(len, self.waiting))
        if self.refusal or self.refused:
            raise self.refusal or self.refused[0][2]
        if self.given_up:
            raise UserError(
                f"{self.engine.server.url()} kept failing ({self.given_up[-1]}), "
                f"{len(self.given_up)} requests were given up after {self.engine.server.retries} retries "
                f"each; spent: {self.bill.line()}; what has come is stored, run again when the server is "
                "well"
            )
        if self.broke or left:
            server = self.engine.server
            limits = [f"max_dollars {server.max_dollars:g}"] if server.max_dollars is not None else []
            limits += [f"max_total_tokens {server.max_total_tokens}"] if server.max_total_tokens else []
            raise UserError(
                f"the budget ({', '.join(limits)}) allows no further request, {left} completions are "
                f"missing; spent: {self.bill.line()}; what has come is stored, raise the budget and run "
                "again to pay for the rest"
            )


def _groups(requests: Sequence[Request], size: int) -> list[list[Request]]:
    """Requests of one prompt and temperature, at most `size` together, in their order."""
    groups: list[list[Request]] = []
    for request in requests:
        last = groups[-1] if groups else []
        same = last and (last[0].key, last[0].temperature) == (request.key, request.temperature)
        if same and len(last) < size:
            last.append(request)
        else:
            groups.append([request])
    return groups
