"""The openai engine before servers of others: llama.cpp's, and `vllm serve`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("xllamacpp")

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.engines.openai.server import Server
from scripts.sample import sample
from tests.real import models
from tests.real.server import CONTEXT, llama_cpp, vllm
from tests.support import steps
from tests.support.proxy import Proxy

pytestmark = pytest.mark.campaign

QUESTIONS = [
    "Tell me about two cats.",
    "Ann has 3 pens and buys 4. How many has she?",
    "Why is the sky blue?",
]
LONG = "cat dog " * CONTEXT


@pytest.fixture(scope="module", params=["llama.cpp", "vllm"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    if request.param == "llama.cpp":
        opened = llama_cpp(models.gguf(), folder / "log")
    else:
        pytest.importorskip("vllm")
        opened = vllm(models.smollm2(folder / "smollm2"), folder / "log")
    with opened as address, Proxy(address) as proxy:
        yield proxy


@pytest.fixture
def given(server, tmp_path):
    """Flags of the step before the server, which has been asked nothing yet; the questions by name."""
    server.forget()

    def call(questions, **flags):
        names = [f"q{number}" for number in range(len(questions))]
        table = {"query_id": names, "question": questions, "options": [[]] * len(names)}
        table |= {"group": [""] * len(names), "shots": None}
        write(pl.DataFrame(table, schema=QUERIES), tmp_path / "queries.parquet", QUERIES)
        return {
            "queries": tmp_path / "queries.parquet",
            "model": "smollm2",
            "engine": "openai",
            "chat": True,
            "prompt": Path("config/prompts/question.jinja"),
            "output": tmp_path / "samples.parquet",
            "ledger": tmp_path / "ledger.json",
            "store": tmp_path / "store",
            "temperatures": (0.8,),
            "n": 2,
            "server": Server(base_url=server.url, concurrency=2, n_per_request=2, api_key_env="NO_KEY"),
        } | flags

    return call


def run(flags):
    steps.call(sample.main, **flags)
    return read(flags["output"], SAMPLES), json.loads(flags["ledger"].read_text(encoding="utf-8"))


def test_several_completions_of_a_request_are_counted(server, given):
    samples, ledger = run(given(QUESTIONS, n=4, max_tokens=12))
    assert [body["n"] for body in server.asked] == [2] * 6
    assert samples.group_by("query_id").len()["len"].to_list() == [4] * 3
    assert samples["completion"].n_unique() > 6
    assert set(samples["finish_reason"]) <= {"stop", "length"}
    cut = samples.filter(pl.col("finish_reason") == "length")
    assert cut.height and set(cut["num_tokens"]) == {12} and samples["num_tokens"].max() <= 12
    assert ledger["completion_tokens"] == samples["num_tokens"].sum() >= server.counted
    assert ledger["estimated_replies"] == 0 and ledger["failures"] == {} and ledger["retries"] == 0


def test_a_stop_string_ends_a_completion(given):
    samples, _ = run(given(QUESTIONS, max_tokens=40, stop=(".", "e")))
    assert not samples["completion"].str.contains(r"[.e]").any()
    assert set(samples["finish_reason"]) == {"stop"} and samples["num_tokens"].max() < 40


def test_a_prompt_above_the_context_is_refused_alone(given, capfd):
    samples, ledger = run(given([*QUESTIONS, LONG], max_tokens=8))
    refused = samples["query_id"] == "q3"
    outcome = samples.filter(refused).select("completion", "finish_reason").unique().rows()
    assert outcome == [("", "length")]
    assert samples.filter(~refused)["completion"].str.len_chars().min() > 0
    assert ledger["failures"] == {"refused: length": 1}
    assert "query q3: kept as length" in capfd.readouterr().err


def test_a_killed_step_asks_for_what_is_not_stored(server, given):
    flags = given(QUESTIONS, n=8, max_tokens=24)
    words = ["--chat", "--temperatures", "0.8"]
    for name in ("queries", "model", "engine", "prompt", "output", "ledger", "store", "n", "max_tokens"):
        words += [f"--{name.replace('_', '-')}", str(flags[name])]
    asked = flags["server"]
    words += ["--server.base-url", asked.base_url, "--server.api-key-env", asked.api_key_env]
    words += ["--server.concurrency", "2", "--server.n-per-request", "2"]
    killed = subprocess.Popen([sys.executable, "-m", "scripts.sample.sample", *words], start_new_session=True)
    steps.until(lambda: len(server.answered) >= 4, 600)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = pl.read_parquet(flags["store"] / "*/*/part-*.parquet")
    assert 4 <= kept.height < 24
    server.forget()
    samples, ledger = run(flags)
    assert server.wanted == 24 - kept.height == ledger["sampled"] and ledger["reused"] == kept.height
    assert set(kept["completion"]) <= set(samples["completion"]) and samples.height == 24
