"""A teacher behind an API: whatever the server does, no sample is lost, none paid twice, none invented."""

import base64
import gzip
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scripts.judge import judge
from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.engines.base import Prompt, Request, Run, Settings
from scripts.lib.engines.openai.bill import Bill, Tokens
from scripts.lib.engines.openai.client import Pace, retry_after
from scripts.lib.engines.openai.replies import (
    Choice,
    read_choice,
    reasoning_of,
    share,
    share_reasoning,
    split,
    usage_of,
)
from scripts.lib.engines.openai.server import Server
from scripts.lib.engines.registry import open_engine
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.models.truncation import Truncation
from scripts.lib.samples.store import Partition
from scripts.sample import sample
from tests.support import steps
from tests.support.fault_server import FaultServer

pytestmark = pytest.mark.slow

KEY = "sk-secret-4711-never-to-be-seen"
WORLD = Path("config/prompts/world.jinja")
QUIET = {"backoff": 0.01}
HOST = "http://localhost/v1"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ids = [f"q{i:02}" for i in range(12)]
    table = {
        "query_id": ids,
        "question": [f"How many is {i} ?" for i in ids],
        "group": [""] * len(ids),
        "shots": None,
    }
    options = pl.Series("options", [[]] * len(ids), dtype=pl.List(pl.String))
    write(pl.DataFrame(table).with_columns(options), tmp_path / "queries.parquet", QUERIES)
    return tmp_path


@pytest.fixture
def run(here):
    """Sample 12 queries; returns samples and ledger. Keywords of Server go there, others to the step."""

    def call(server: FaultServer, store="store", **flags):
        own = {name: flags.pop(name) for name in list(flags) if name in Server.__dataclass_fields__}
        settings = {
            "queries": here / "queries.parquet",
            "model": "big",
            "engine": "openai",
            "prompt": WORLD,
            "output": here / "samples.parquet",
            "ledger": here / "ledger.json",
            "store": here / store,
            "temperatures": (0.7,),
            "n": 4,
            "max_tokens": 20,
            "server": Server(**({"base_url": server.url} | QUIET | own)),
        }
        steps.call(sample.main, **(settings | flags))
        return read(here / "samples.parquet", SAMPLES), json.loads((here / "ledger.json").read_text())

    return call


def sound(samples: pl.DataFrame, server: FaultServer, n: int = 4) -> None:
    """Every sample is there once, and the server said it to this prompt."""
    assert samples.group_by("query_id").len()["len"].to_list() == [n] * 12
    assert samples["completion"].n_unique() == 12 * n
    assert set(samples["completion"]) <= set(server.said)
    said = samples.with_columns(pl.col("completion").str.slice(0, 8))
    assert said.group_by("query_id").agg(pl.col("completion").n_unique())["completion"].to_list() == [1] * 12


FAULTS = ["429", "429 after 0.1", "500", "503", "half", "close", "garbage", "empty", "slow", "none", "error"]


@pytest.mark.parametrize("together", [1, 4])
def test_whatever_the_server_does_every_sample_comes_once(run, together):
    faults = FAULTS * 3 if together == 1 else [*FAULTS, "fewer"]
    schedule = [fault for each in faults for fault in (each, None)]
    with FaultServer(schedule, slow=60) as server:
        samples, ledger = run(
            server, n_per_request=together, timeout=3, concurrency=4, price_prompt=1, price_completion=10
        )
    sound(samples, server)
    assert server.choices == 48
    kinds = {
        "half": "half a body",
        "close": "connection",
        "garbage": "invalid JSON",
        "empty": "empty body",
        "slow": "timeout",
        "none": "no choices",
        "error": "error 529",
    }
    expected = {kinds.get(kind, kind): number for kind, number in server.faulted.items()}
    expected.pop("fewer", None)
    assert ledger["failures"] == expected and ledger["retries"] == sum(expected.values())
    assert ledger["requests"] == server.requests
    tokens = (server.prompt_tokens, server.completion_tokens)
    assert (ledger["prompt_tokens"], ledger["completion_tokens"]) == tokens
    assert (ledger["total_prompt_tokens"], ledger["total_completion_tokens"]) == tokens
    charged = (tokens[0] + 10 * tokens[1]) / 1e6
    assert charged < ledger["dollars"] < charged + 20 * ledger["lost_tokens"] / 1e6
    assert ledger["versions"]["model"] == "big-2026-01-01"


def test_a_server_keeps_its_limits(run, monkeypatch):
    """A request that is late on its way follows the next one closely: turns are evenly spaced, and nothing
    comes before its own."""
    turns, turn = [], Pace.turn

    async def noted(self, *given):
        await turn(self, *given)
        turns.append((self.next_request, self.next_token))

    monkeypatch.setattr(Pace, "turn", noted)
    with FaultServer(delay=0.05) as server:
        run(server, concurrency=3, n_per_request=1, n=2)
        assert server.most_parallel == 3
    turns.clear()
    with FaultServer() as server:
        began = time.monotonic()
        run(server, requests_per_minute=1200, n_per_request=4)
        free = [each for each, _ in turns]
        assert len(free) == len(server.times) == 12
        assert all(later - one > 0.0499 for one, later in pairwise(free))
        assert all(came - began > 0.0499 * number for number, came in enumerate(server.times))
    turns.clear()
    with FaultServer() as server:
        began = time.monotonic()
        run(server, tokens_per_minute=60_000, store="other", n_per_request=4)
        spent = server.prompt_tokens + server.completion_tokens
        assert (spent - 150) / 1000 < time.monotonic() - began
        assert turns[-1][1] - turns[0][1] < 6 * spent / 1000 + 1


def test_the_wait_a_server_asks_for_holds_everybody(run):
    with FaultServer([None, "429 after 0.5"]) as server:
        run(server, concurrency=1, n_per_request=4)
        assert server.times[2] - server.times[1] >= 0.5


def test_retry_after_is_seconds_milliseconds_or_a_date():
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert 20 < retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) <= 30
    assert retry_after({"retry-after": formatdate(time.time() - 30, usegmt=True)}) == 0
    assert [retry_after({"retry-after": text}) for text in ("soon", "nan", "inf", "")] == [None] * 4
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("server", "most"),
    [
        ({"ignores_n": True}, 1),
        ({"knows": ("seed", "max_tokens")}, 1),
        ({"knows": ("n", "max_tokens")}, 4),
        ({"knows": ("n", "seed")}, 4),
        ({"knows": ()}, 1),
    ],
)
def test_what_a_server_does_not_know_is_found_out(run, server, most):
    with FaultServer(**server) as asked:
        samples, ledger = run(asked, concurrency=2)
    sound(samples, asked)
    assert asked.bodies[-1].get("n", 1) == most
    assert asked.choices == 48 and ledger["failures"] == {}
    assert (asked.bodies[-1].get("seed") is None) == ("seed" not in server.get("knows", ("seed",)))


def test_a_server_is_asked_without_what_it_refuses(run, here):
    """Its own temperature is a sampling of its own in the store; stop strings cut its replies here."""

    def strict(body):
        unknown = sorted({"temperature", "stop", "seed"} & set(body))
        return (400, {"error": {"message": f"{unknown} is not supported"}}) if unknown else None

    stops = {"stop": (" The",), "n_per_request": 2}
    with FaultServer(says=strict) as server:
        samples, ledger = run(server, omit=("temperature", "stop", "seed"), identity="big", **stops)
        assert all(text.split()[1:] == text.split()[1:3] for text in samples["completion"])
        assert set(samples["finish_reason"]) == {"stop"} and server.requests == 24
        assert ledger["omitted"] == ["seed", "stop", "temperature"]
        assert ledger["completion_tokens"] == server.completion_tokens, "what a stop string cuts was paid"
        run(server, omit=("temperature",), identity="big", **stops)
        assert server.requests == 24, "whether the server or we cut changes no text"
    with FaultServer() as server:
        _, ledger = run(server, identity="big", **stops)
        assert ledger["sampled"] == 48 and ledger["omitted"] == []
        assert server.bodies[0]["stop"] == [" The"] and server.bodies[0]["temperature"] == 0.7


@pytest.mark.parametrize("chat", [True, False])
def test_finish_reasons_are_kept(run, chat):
    with FaultServer(finish="length") as server:
        samples, _ = run(server, chat=chat)
        assert set(samples["finish_reason"]) == {"length"}
    with FaultServer(finish="content_filter", content=None) as server:
        samples, _ = run(server, chat=chat)
    assert set(samples["finish_reason"]) == {"content_filter"} and set(samples["completion"]) == {""}
    path = {"prompt": 0, "messages": 1}
    assert [chat] == [bool(path[name]) for name in path if name in server.bodies[0]]
    assert server.bodies[0]["seed"] < 2**31 and server.bodies[0]["temperature"] == 0.7


def test_a_server_that_counts_nothing_is_estimated(run):
    with FaultServer(usage=False) as server:
        _, ledger = run(server, price_completion=1)
    assert ledger["estimated_replies"] == 12
    assert ledger["completion_tokens"] >= server.completion_tokens and ledger["dollars"] > 0


def test_the_budget_stops_cleanly_and_a_larger_one_pays_for_the_rest(run, here):
    prices = {"price_prompt": 1e3, "price_completion": 1e4, "n_per_request": 2, "concurrency": 3}
    with FaultServer() as server:
        with pytest.raises(UserError, match=r"max_dollars 1\.5.*\$1\.\d+.*raise the budget"):
            run(server, max_dollars=1.5, **prices)
        first = server.choices
        spent = (1e3 * server.prompt_tokens + 1e4 * server.completion_tokens) / 1e6
        assert 0 < first < 48 and 0.5 < spent <= 1.5
        assert not (here / "samples.parquet").exists()
        with pytest.raises(UserError, match=f"{48 - first} completions are missing"):
            run(server, max_dollars=1.5, **prices)
        assert server.choices == first
        samples, ledger = run(server, max_dollars=50, **prices)
        assert server.choices == 48 and ledger["sampled"] == 48 - first and ledger["reused"] == first
        total = (1e3 * server.prompt_tokens + 1e4 * server.completion_tokens) / 1e6
        assert ledger["total_dollars"] == pytest.approx(total) and ledger["dollars"] < total
    sound(samples, server)
    with FaultServer() as server, pytest.raises(UserError, match="max_total_tokens 300"):
        run(server, store="other", max_total_tokens=300)
    assert 0 < server.prompt_tokens + server.completion_tokens <= 300


def test_a_server_that_is_down_is_not_asked_forever(run):
    with (
        FaultServer(["500"] * 1000) as server,
        pytest.raises(UserError, match=r"kept failing \(500: fault 500\)"),
    ):
        run(server, retries=2, concurrency=4)
    assert server.requests <= 3 * 8
    with FaultServer(["500"] * 3) as server, pytest.raises(UserError, match="1 requests were given up"):
        run(server, retries=2, concurrency=1, n_per_request=4)
    assert server.choices == 44


def test_a_busy_server_that_says_nothing_else_is_waited_for(run):
    eight_at_a_time = chain.from_iterable(repeat([None] * 8 + ["429"] * 3))
    with FaultServer(eight_at_a_time) as server:
        samples, _ = run(server, n_per_request=1, retries=4, backoff=0.05)
        sound(samples, server)
        assert server.faulted["429"] == 5 * 3
    first, refusals, another = [], [], threading.Event()

    def says(
        body,
    ):  # the first request is refused more often than it is tried, another one answered in between
        first.append(body)
        if body != first[0]:
            return another.set()
        if len(refusals) > 8:
            return None
        if refusals:
            another.wait(120)
        another.clear()
        refusals.append(body)
        return 429, {"error": {"message": "busy"}}

    with FaultServer(says=says) as server:
        sound(run(server, store="one", n_per_request=1, retries=4, concurrency=2)[0], server)
        assert len(refusals) == 9
    with FaultServer(["429"] * 1000) as server, pytest.raises(UserError, match=r"kept failing \(429"):
        run(server, store="other", retries=2, concurrency=4)
    assert server.requests <= 4 * 4


def test_a_refusal_is_one_line_with_the_servers_words_and_not_the_key(run, monkeypatch):
    with FaultServer(key="another") as server, pytest.raises(UserError) as failure:
        run(server)
    said = str(failure.value)
    assert "answers 401: Incorrect API key provided: Bearer ***; put a valid key into OPENAI_API_KEY" in said
    assert KEY not in said and server.requests <= 12
    with (
        FaultServer([None, "404"]) as server,
        pytest.raises(UserError, match=r"404: fault.*check base_url and the model's name"),
    ):
        run(server, store="404", concurrency=1)
    assert server.requests == 2
    monkeypatch.delenv("OPENAI_API_KEY")
    with FaultServer(key="another") as server, pytest.raises(UserError, match="set OPENAI_API_KEY"):
        run(server)


def asked(body):
    """What a request asks, as text."""
    return body["messages"][-1]["content"] if "messages" in body else body["prompt"]


def refusing(status, document, *queries):
    """A server's rule: these queries are refused, or all."""
    return lambda body: (
        (status, document) if not queries or any(query in asked(body) for query in queries) else None
    )


FILTERED = (400, {"error": {"message": "Content Exists Risk", "code": "invalid_request_error"}})
TOO_LONG = (400, {"error": {"message": "This model's maximum context length is 16 tokens", "code": 400}})
STRANGE = (422, {"error": {"message": "Bad Request"}})


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (FILTERED, "content_filter"),
        ((403, {"error": {"message": "Your input was flagged", "code": 403}}), "content_filter"),
        ((200, {"error": {"message": "Your input was flagged", "code": 403}}), "content_filter"),
        ((200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}), "content_filter"),
        (TOO_LONG, "length"),
        ((500, TOO_LONG[1]), "length"),
        (STRANGE, "content_filter"),
        ((400, b"<html>Bad Request</html>"), "content_filter"),
    ],
)
def test_a_refused_prompt_is_its_own_outcome_and_the_step_goes_on(run, capsys, refusal, reason):
    with FaultServer(says=refusing(*refusal, "q00", "q07")) as server:
        samples, ledger = run(server, n_per_request=2, concurrency=2, price_completion=1)
        refused = samples.filter(pl.col("query_id").is_in(["q00", "q07"]))
        assert samples.height == 48 and server.choices == 40
        assert refused.select("completion", "finish_reason", "num_tokens").unique().rows() == [
            ("", reason, 0)
        ]
        assert set(samples["finish_reason"]) == {"stop", reason}
        assert ledger["failures"] == {f"refused: {reason}": 4}
        assert f"query q07: kept as {reason}, {server.url} answers" in capsys.readouterr().err
        paid = server.requests
        run(server, n_per_request=2)
        assert server.requests == paid


@pytest.mark.parametrize(
    ("refusal", "words", "most"),
    [
        (FILTERED, "answers 400: Content Exists Risk", 20),
        (TOO_LONG, "maximum context length is 16", 20),
        (STRANGE, "answers 422: Bad Request", 30),
        ((400, {"error": {"message": "Model Not Exist"}}), "answers 400: Model Not Exist; mend", 8),
        (
            (400, {"error": {"message": "'temperature' does not support 0.7", "param": "temperature"}}),
            r"it takes no temperature as it is sent; server.omit: \[temperature\] asks without",
            8,
        ),
        ((302, b""), "answers 302: no reason given; check base_url", 4),
    ],
)
def test_a_server_that_refuses_every_prompt_stops_the_run_and_leaves_nothing(run, refusal, words, most):
    with FaultServer(says=refusing(*refusal)) as server, pytest.raises(UserError, match=words) as failure:
        run(server, concurrency=2, n_per_request=2, identity="big")
    assert server.requests <= most and "\n" not in str(failure.value)
    with FaultServer() as well:
        samples, _ = run(well, identity="big")
    assert set(samples["finish_reason"]) == {"stop"} and well.choices == 48


@pytest.mark.parametrize(
    "refusal",
    [
        (500, {"error": {"message": "Only one completion choice is allowed", "type": "server_error"}}),
        (400, {"error": {"message": "Only one completion choice is allowed"}}),
        (400, {"error": {"message": "n must be 1", "param": "n"}}),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "n"], "msg": "Extra inputs"}]}),
        (400, {"error": {"message": "Bad Request"}}),
        (400, b"unsupported parameter"),
    ],
)
def test_every_way_of_refusing_n_is_found_out_at_the_first_requests(run, capsys, refusal):
    with FaultServer(says=lambda body: refusal if body.get("n", 1) > 1 else None) as server:
        samples, ledger = run(server, concurrency=2)
        sound(samples, server)
    assert server.requests <= 48 + 4 and ledger["failures"] == {}
    assert capsys.readouterr().err.count("n_per_request: 1") == 1


def reply(content="The answer is 1.", finish="stop", n=1, model="big", usage=True, **message):
    """A chat completion, its text told apart by a number."""
    words = {"role": "assistant", "content": content} | message
    choices = [{"index": index, "finish_reason": finish, "message": words} for index in range(n)]
    counts = {"prompt_tokens": 5, "completion_tokens": 7 * n}
    return {"id": "x", "model": model, "choices": choices} | ({"usage": counts} if usage else {})


@pytest.mark.parametrize(
    ("given", "text", "reason", "tries"),
    [
        (reply("half an \ud83d emoji"), "half an ? emoji", "stop", 1),
        (reply("a \U0001f600"), "a \U0001f600", "stop", 1),
        (reply("half a sentence", "model_length"), "half a sentence", "length", 1),
        (reply("said", "tired"), "said", "unknown", 1),
        (reply("said", "tool_calls"), "said", "unknown", 1),
        (reply("said", None), "said", "stop", 1),
        (reply("said", None, usage=False), "said", "unknown", 1),
        (reply(None, reasoning_content="I think"), "", "unknown", 3),
        (reply(" \n"), " \n", "unknown", 3),
        (reply(f"The key is {KEY}."), "The key is ***.", "stop", 1),
    ],
)
def test_a_reply_is_kept_as_what_it_is(run, capsys, given, text, reason, tries):
    with FaultServer(says=lambda body: (200, given)) as server:
        samples, _ = run(server, n=1, concurrency=2)
    assert samples.select("completion", "finish_reason").unique().rows() == [(text, reason)]
    assert server.requests == 12 * tries
    assert capsys.readouterr().err.count("of the server's own") == (
        given["choices"][0]["finish_reason"] in {"tired", "tool_calls"}
    )


@pytest.mark.parametrize(
    "first",
    [
        (200, reply("half", "insufficient_system_resource")),
        (200, reply("half", "network_error")),
        (200, reply(None, "stop")),
        (200, b"[" * 200_000),
        (200, b'{"choices": ' + b" " * (33 << 20) + b"}"),
        (200, gzip.compress(b'{"choices": ' + b" " * (900 << 20) + b"}", 1), {"Content-Encoding": "gzip"}),
        (200, b"x", {"Content-Encoding": "gzip, gzip"}),
    ],
    ids=["no resource", "network", "empty", "deep", "large", "packed", "packed twice"],
)
def test_a_reply_that_is_none_is_asked_for_again(run, first):
    met = []

    def says(body):
        met.append(body)
        return first if len(met) == 1 else None

    with FaultServer(says=says) as server:
        samples, ledger = run(server, n=1, concurrency=1, n_per_request=1)
    assert samples.height == 12 and set(samples["finish_reason"]) == {"stop"}
    assert server.requests == 13 and ledger["retries"] == 1
    assert all(body["stream"] is False for body in server.bodies)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/event-stream"}])
def test_a_server_that_streams_all_the_same_is_one_line(run, headers):
    stream = b': PROCESSING\n\ndata: {"choices": []}\n\ndata: [DONE]\n\n'
    with (
        FaultServer(says=lambda body: (200, stream, headers)) as server,
        pytest.raises(UserError, match=r"streams \(server-sent events\) though"),
    ):
        run(server, concurrency=1)
    assert server.requests == 1


def test_a_key_in_a_servers_words_gets_nowhere(run, here, capsys):
    forms = [KEY, KEY[:-3], KEY[::-1], base64.b64encode(KEY.encode()).decode(), KEY.encode().hex()]
    met = []

    def says(body):
        met.append(body)
        form = forms[len(met) % len(forms)]
        if len(met) <= 5:
            return 500, {"error": {"message": f"bad key {form}", "code": form}}
        return 200, reply(f"a {KEY} b", form, model=form)

    with FaultServer(says=says) as server:
        run(server, n=1, concurrency=1)
    with (
        FaultServer(says=lambda body: (401, {"detail": f"no {forms[2]}"})) as server,
        pytest.raises(UserError, match=r"answers 401: no \*\*\*") as failure,
    ):
        run(server, store="other")
    said = capsys.readouterr()
    everything = (said.out + said.err + str(failure.value)).encode()
    everything += b"".join(path.read_bytes() for path in here.rglob("*") if path.is_file())
    everything += repr(pl.read_parquet(list(here.rglob("part-*.parquet"))).rows()).encode()
    assert not [form for form in forms if form[4:12].encode() in everything]


def test_a_proxy_of_an_unknown_scheme_is_one_line(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "foo://me:hunter2@proxy:1")
    engine = opened("m", base_url="https://api.example.com/v1")
    with pytest.raises(UserError, match=r"names a proxy that cannot be used") as failure:
        list(engine.generate([], []))
    assert "hunter2" not in str(failure.value)


def test_no_bill_that_is_no_number_fits_a_budget():
    server = Server(base_url="https://x/v1", price_completion=1.0, max_dollars=1.0)
    object.__setattr__(server, "price_completion", math.nan)
    assert not Bill(server).fits(Tokens(1, 1))


def test_a_wait_of_hours_ends_the_run(run):
    with FaultServer(["429 after 7200"]) as server, pytest.raises(UserError, match="asks to wait 7200 s"):
        run(server, concurrency=1)


STEP = """
import sys
from scripts.lib.process.cli import cli
from scripts.sample.sample import main
try:
    cli(main)
finally:
    assert not {"torch", "transformers"} & set(sys.modules)
"""


def start(here: Path, server: FaultServer, **more: object) -> subprocess.Popen:
    """The step as a process that may not import torch."""
    flags = {"queries": here / "queries.parquet", "model": "big", "engine": "openai", "prompt": WORLD}
    flags |= {"output": here / "samples.parquet", "ledger": here / "ledger.json", "store": here / "store"}
    flags |= {"temperatures": 0.7, "n": 4, "max-tokens": 20, "server.base-url": server.url}
    flags |= {"server.concurrency": 2, "server.n-per-request": 1, "server.backoff": 0.01} | more
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-c", STEP, *words],
        env=os.environ | {"OPENAI_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(("number", "again"), [(signal.SIGKILL, 2), (signal.SIGTERM, 0)])
def test_a_killed_run_pays_for_nothing_twice(here, number, again):
    """SIGKILL loses what was under way, two requests: what came before is on disk once nothing comes."""
    signalled = threading.Event()

    def says(body):
        if server.choices >= 12:
            signalled.wait(120)

    def stored():
        parts = list((here / "store").rglob("part-*.parquet"))
        return sum(pl.read_parquet(part, columns=["index"]).height for part in parts)

    with FaultServer(["429", "half", None, "close"], says=says) as server:
        step = start(here, server)
        steps.until(lambda: server.choices >= 12 and stored() == server.choices)
        step.send_signal(number)
        if number == signal.SIGKILL:
            step.wait()
        signalled.set()
        out, _ = step.communicate(timeout=120)
        assert step.returncode == (-9 if number == signal.SIGKILL else 143), out
        assert stored() < 48
        second = start(here, server, **{"server.concurrency": 8})
        out, _ = second.communicate(timeout=120)
        assert second.returncode == 0, out
        assert 48 <= server.choices <= 48 + again
    samples = read(here / "samples.parquet", SAMPLES)
    assert samples.height == 48 and set(samples["completion"]) <= set(server.said)


def test_nothing_is_handed_over_where_nothing_comes():
    """So what came before is stored, and not only when the next reply comes."""
    waited, found, began = threading.Event(), [], time.monotonic()
    with FaultServer(says=lambda body: waited.wait(120) and None) as server:
        engine = opened("big", base_url=server.url)
        request = Request("k", engine.render("Why ?", []), 0.7, 0, 5)
        for finished in engine.generate([request], np.full(1, True)):
            found.append(len(finished))
            if len(found) == 3:
                assert time.monotonic() - began > 3 * 0.09, "it waits a moment each time"
                waited.set()
    assert found[:3] == [0] * 3 and found[-1] == sum(found) == 1


def test_what_is_under_way_is_handed_over_wherever_the_signal_falls(run, monkeypatch):
    """Here into the storing of the first reply, while three more are under way."""
    add = Partition.add

    def slow(self, rows):
        os.kill(os.getpid(), signal.SIGTERM)
        add(self, rows)

    with FaultServer(delay=0.3) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Partition, "add", slow)
            with pytest.raises(SystemExit) as stopped:
                run(server, concurrency=4, n_per_request=1)
        assert stopped.value.code == 143
        paid = server.choices
        assert paid <= 8
        _, ledger = run(server)
        assert ledger["sampled"] == 48 - paid and server.choices == 48


def test_the_key_is_written_nowhere(here):
    with FaultServer(["500", None, "401"], key=KEY) as server:
        step = start(here, server)
        out, _ = step.communicate(timeout=120)
        assert step.returncode == 2
        last = start(here, server)
        out += last.communicate(timeout=120)[0]
        assert last.returncode == 0, out
    assert KEY not in out and "first prompt (messages)" in out
    files = [path for path in here.rglob("*") if path.is_file()]
    assert len(files) > 4 and not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_judge_behind_an_api_is_asked_again_and_its_passes_add_up(run, here):
    with FaultServer(["500"]) as server:
        run(server, n=1)
        steps.call(
            judge.main,
            samples=[here / "samples.parquet"],
            queries=here / "queries.parquet",
            model="big",
            engine="openai",
            prompt=Path("config/prompts/judge.jinja"),
            output=here / "judgements.parquet",
            ledger=here / "judge.json",
            store=here / "store",
            retries=1,
            max_tokens=20,
            server=Server(base_url=server.url, backoff=0.01),
        )
        assert server.choices == 12 + 24
    ledger = json.loads((here / "judge.json").read_text())
    assert ledger["judged_again"] == [12] and ledger["requests"] == ledger["sampled"] == 24
    assert ledger["completion_tokens"] == ledger["total_completion_tokens"] == 24 * 7


def opened(model, **server):
    settings = Settings(PromptTemplate(WORLD, True), 9, run=Run(engine="openai"), server=Server(**server))
    return open_engine(model, None, settings)


@pytest.mark.parametrize("chat", [False, True])
def test_a_server_is_shown_the_shots(tmp_path, chat):
    (tmp_path / "p.jinja").write_text("{{ shots[0].answer }} {{ options[0] }} {{ question }}")
    settings = Settings(
        PromptTemplate(tmp_path / "p.jinja", chat),
        9,
        run=Run(engine="openai"),
        server=Server(base_url="http://localhost/v1"),
    )
    prompt = open_engine("big", None, settings).render("b", ["a"], [{"answer": "shot"}])
    shown = json.loads(prompt.text)[0]["content"] if chat else prompt.text
    assert shown == "shot a b"


def test_a_server_is_sent_what_was_set_and_nothing_else():
    def body(stop=(), **given):
        run = Run(engine="openai", chat=False)
        settings = Settings(
            run.template(WORLD, stop), 9, Truncation(**given), run=run, server=Server(base_url=HOST)
        )
        engine = open_engine("big", None, settings)
        return engine.body([Request("k", Prompt("text", "Why ?"), 0.7, 0, 5)])

    plain = {
        "model": "big",
        "prompt": "Why ?",
        "temperature": 0.7,
        "max_tokens": 9,
        "seed": 5,
        "stream": False,
    }
    assert body() == plain
    assert body(top_p=0.9) == plain | {"top_p": 0.9}
    assert body(top_k=20, min_p=0.05) == plain | {"top_k": 20, "min_p": 0.05}
    assert body(stop=("\nQ:",)) == plain | {"stop": ["\nQ:"]}


def test_a_server_s_chat_template_gets_its_arguments_and_the_system_message():
    run = Run(engine="openai", system="Think.", chat_template_kwargs={"enable_thinking": False})
    settings = Settings(run.template(WORLD), 9, run=run, server=Server(base_url=HOST))
    engine = open_engine("big", None, settings)
    body = engine.body([Request("k", engine.render("Why ?", []), 0.7, 0, 5)])
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["messages"][0] == {"role": "system", "content": "Think."}


def test_the_identity_is_the_server_and_the_name():
    def identity(model="big", **server):
        return opened(model, **server).identity

    at = identity(base_url="https://API.example.com/v1/")
    assert at == "openai:https://api.example.com/v1#big"
    assert identity(base_url="https://api.example.com/v1/chat/completions") == at
    assert identity(base_url="https://other.example.com/v1") != at
    assert identity(base_url="http://127.0.0.1:1", identity="big@2026") == "openai:big@2026"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({}, "a server needs base_url"),
        ({"base_url": "api.example.com/v1"}, "must start with http"),
        ({"base_url": f"https://me:{KEY}@x/v1"}, "no user, password or query"),
        ({"base_url": f"https://x/v1?api-key={KEY}"}, "no user, password or query"),
        ({"base_url": "http://x", "api_key_env": KEY}, "never the key itself"),
        ({"base_url": "https://x", "max_dollars": 1}, "needs prices"),
        ({"base_url": "http://x"}, "asks x over http, where all can read the key"),
        ({"base_url": "http://127.0.0.1.example.com/v1"}, "asks 127.0.0.1.example.com over http"),
        ({"base_url": "http://localhost.example.com/v1"}, "over http"),
        ({"base_url": "http://x$(touch PWNED)y/v1"}, "characters that no host has"),
        ({"base_url": "https://x", "api_key_env": "AKIAIOSFODNN7EXAMPLE"}, "never the key itself"),
        ({"base_url": "https://x", "api_key_env": "SK_LIVE_4EC39HQLYJWDARJTT1"}, "never the key itself"),
        ({"base_url": "https://api.example.com", "api_key_env": "HF_TOKEN"}, "meant for huggingface.co or"),
        ({"base_url": "https://hf.co.example.com", "api_key_env": "HF_TOKEN"}, "meant for huggingface.co or"),
        ({"base_url": "http://x", "allow_http": True, "api_key_env": "AWS_SECRET_ACCESS_KEY"}, "not x; name"),
        ({"base_url": f"https://x/{KEY}/v1", "api_key_env": "MY_API_KEY"}, "base_url holds the key"),
        ({"base_url": "http://x", "concurrency": 0}, "above 0"),
        ({"base_url": "http://x", "price_prompt": -1}, "at least 0"),
    ],
)
def test_a_wrong_server_is_named_and_a_key_never_repeated(server, said, monkeypatch):
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_API_KEY"):
        monkeypatch.setenv(name, KEY)
    with pytest.raises(UserError, match=said) as failure:
        opened("m", **server)
    assert KEY not in str(failure.value)


@pytest.mark.parametrize(
    "server",
    [
        {"base_url": "http://127.0.0.1:8000/v1", "api_key_env": "HF_TOKEN"},
        {"base_url": "http://localhost:8000"},
        {"base_url": "http://[::1]:8000"},
        {"base_url": "http://node17:8000", "allow_http": True, "api_key_env": "MY_API_KEY"},
        {"base_url": "https://router.huggingface.co/v1", "api_key_env": "HF_TOKEN"},
        {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
        {"base_url": "https://api.together.xyz/v1", "api_key_env": "TOGETHER_API_KEY"},
    ],
)
def test_a_key_goes_to_the_host_it_is_meant_for(server, monkeypatch):
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "MY_API_KEY", "TOGETHER_API_KEY"):
        monkeypatch.setenv(name, KEY)
    opened("m", **server)


def test_a_server_that_counts_one_choice_of_several_is_paid_for_all(run):
    given = reply(finish="length", n=4)
    given |= {"usage": {"prompt_tokens": 5, "completion_tokens": 20}, "timings": {"predicted_n": 20}}
    with FaultServer(says=lambda body: (200, given)) as server:
        samples, ledger = run(server, n_per_request=4, max_tokens=20)
    assert samples["num_tokens"].to_list() == [20] * 48 and ledger["completion_tokens"] == 960


def test_choices_are_read_with_suspicion():
    def chat(content, reason="stop", **more):
        return {"message": {"content": content} | more, "finish_reason": reason}

    assert read_choice(chat("a"))[:2] == ("a", "stop") and read_choice({"text": "b"})[:2] == ("b", None)
    assert read_choice(chat("a\nQ: b", "length"), ["Q:"])[:2] == ("a\n", "stop")
    assert read_choice(chat(None, "content_filter"))[:2] == ("", "content_filter")
    assert read_choice({"finish_reason": "content_filter"})[:2] == ("", "content_filter")
    assert read_choice(chat(None, "length"))[:2] == ("", "length")
    assert read_choice(chat(None, refusal="I will not"))[:2] == ("I will not", "stop")
    assert read_choice(chat([{"type": "text", "text": "x"}]))[:2] == ("x", "stop")
    for broken in (None, 3, {}, {"finish_reason": "stop"}, chat(None, None), chat("a", "error"), chat(7)):
        assert read_choice(broken) is None
    assert split(10, [1, 1, 1]) == [3, 4, 3] and sum(split(7, [5, 1, 90])) == 7
    mixed = [Choice("a" * 9, "length"), Choice("b" * 80, "stop", "b" * 10), Choice("", "stop")]
    assert share(45, mixed, 20) == [20, 20, 5] and share(22, mixed, 20) == [20, 2, 0]
    assert share(9, mixed, 20) == [1, 8, 0] and sum(share(70, mixed, 20)) == 70
    assert usage_of({"prompt_tokens": 1, "completion_tokens": "2"}) is None
    assert usage_of({"prompt_tokens": 1, "completion_tokens": -2}) is None


def thinking(content, **message):
    return {"finish_reason": "stop", "message": {"role": "assistant", "content": content} | message}


@pytest.mark.parametrize(
    "choice",
    [
        thinking("\n\n42", reasoning_content="Six sevens."),
        thinking("42", reasoning="Six sevens.", reasoning_content=None),
        thinking("42", reasoning="Six sevens.", reasoning_content="Six sevens."),
        thinking("42", reasoning_details=[{"type": "reasoning.text", "text": "Six sevens.", "index": 0}]),
        thinking("42", reasoning_details=[{"type": "reasoning.summary", "summary": "Six sevens."}]),
        thinking(
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Six sevens."}]},
                {"type": "text", "text": "42"},
            ]
        ),
        thinking("<think>\nSix sevens.\n</think>\n\n42"),
        thinking("<think>\n</think>\n\n42", reasoning="Six sevens."),
        thinking("analysisSix sevens.assistantfinal42"),
        {"finish_reason": "stop", "text": "Six sevens.\n</think>\n42"},
    ],
    ids=str,
)
def test_a_thought_is_kept_apart_however_a_server_sends_it(choice):
    assert read_choice(choice) == Choice("42", "stop", "Six sevens.")


def test_a_thought_without_a_reply_is_an_empty_text():
    assert read_choice(thinking(None, reasoning_content="Six")) == Choice("", "stop", "Six")
    assert read_choice(thinking("<think>Six") | {"finish_reason": "length"}) == Choice("", "length", "Six")
    assert read_choice({"text": "Six", "finish_reason": "length"}, (), True) == Choice("", "length", "Six")
    stopped = thinking("42\n\nQ: ?", reasoning="Q: is he right?")
    assert read_choice(stopped, ["Q:"]) == Choice("42\n\n", "stop", "Q: is he right?")


def test_thoughts_are_counted_and_paid():
    said = {"prompt_tokens": 10, "completion_tokens": 30}
    details = {"completion_tokens_details": {"reasoning_tokens": 20}}
    assert usage_of(said | details | {"total_tokens": 40}) == Tokens(10, 30)
    assert usage_of(said | details | {"total_tokens": 60}) == Tokens(10, 50), "xAI counts thoughts apart"
    assert usage_of(said | {"total_tokens": 3}) == Tokens(10, 30)
    assert reasoning_of(said | details) == 20 and reasoning_of(said) is None
    assert reasoning_of({"completion_tokens_details": None}) is None
    found = [Choice("a", "stop", "x" * 30), Choice("b", "stop"), Choice("c", "stop", "y" * 10)]
    assert share_reasoning(20, found, [18, 4, 8]) == [15, 0, 5]
    assert share_reasoning(99, found[:1], [18]) == [18]
    assert share_reasoning(20, [Choice("a", "stop")], [30]) == [20], "a thought that is not shown"
    assert share_reasoning(None, found, [18, 4, 8]) == [None] * 3


@pytest.mark.campaign
def test_a_real_server_gives_the_same_samples_again(here, run, tmp_path):
    pytest.importorskip("vllm")
    import socket

    import httpx

    from tests.support.tiny import tiny_model

    folder = tiny_model(tmp_path / "tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = (
        "--dtype float32 --max-model-len 256 --enforce-eager --max-num-seqs 16 --kv-cache-memory-bytes "
        "67108864"
    )
    flags += " --block-size 32 --no-enable-chunked-prefill --served-model-name big --host 127.0.0.1"
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
            + [*flags.split(), "--port", str(port)],
            env=os.environ | {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 600
        while True:
            assert server.poll() is None and time.monotonic() < end, (tmp_path / "server.log").read_text()[
                -3000:
            ]
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        address = type("Address", (), {"url": f"http://127.0.0.1:{port}/v1"})
        common = {"temperatures": (0.0, 1.0), "n_per_request": 4}
        samples, ledger = run(address, **common)
        assert samples.height == ledger["sampled"] == 60 and ledger["failures"] == {}
        assert ledger["requests"] == 24 and ledger["versions"]["model"] == "big"
        assert ledger["completion_tokens"] == ledger["total_completion_tokens"] <= 60 * 20
        drawn = samples.filter(pl.col("temperature") == 1.0)
        assert drawn["completion"].n_unique() > 40 and set(samples["finish_reason"]) <= {"stop", "length"}
        assert samples.filter(pl.col("finish_reason") == "length")["num_tokens"].unique().to_list() == [20]
        assert run(address, **common)[1]["requests"] == 0
        plain, ledger = run(address, chat=False, n=2, n_per_request=1)
        assert plain.height == 24 and ledger["requests"] == 24
        again, _ = run(address, chat=False, n=2, n_per_request=1, store="other")
        assert again.equals(plain)
        with pytest.raises(UserError, match=re.compile("answers 40[04].*mend|answers 404.*model", re.S)):
            run(address, model="other-name")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(120)
