"""A teacher that thinks, from its server's replies to what is sampled, stored, paid and answered."""

import json

import polars as pl
import pytest

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.engines.openai.server import Server
from scripts.lib.tasks.bulk import read_answers
from scripts.sample import sample
from tests.support import steps
from tests.support.thinking_server import FORMS, REPLY, THOUGHT, ThinkingServer

WORLD = "config/prompts/world.jinja"
CUT = ("cut", "cutting")


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Sample a question for every form once; returns samples by form, and the ledger."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    asked = pl.DataFrame({"query_id": list(FORMS)}).with_columns(
        question=pl.format("Which form is {} ?", "query_id"),
        options=pl.lit([], pl.List(pl.String)),
        group=pl.lit(""),
        shots=None,
    )
    write(asked, tmp_path / "queries.parquet", QUERIES)

    def call(server, output):
        files = {"output": tmp_path / f"{output}.parquet", "ledger": tmp_path / f"{output}.json"}
        steps.call(
            sample.main,
            queries=tmp_path / "queries.parquet",
            model="thinker",
            engine="openai",
            prompt=WORLD,
            chat=True,
            store=tmp_path / "store",
            temperatures=(0.7,),
            n=1,
            max_tokens=10,
            server=Server(base_url=server.url, price_completion=1e6, backoff=0.01),
            **files,
        )
        return read(files["output"], SAMPLES), json.loads(files["ledger"].read_text())

    return call


def test_thoughts_are_kept_apart_paid_and_no_answer(ask):
    with ThinkingServer() as server:
        samples, ledger = ask(server, "first")
        again, later = ask(server, "second")
    assert samples.equals(again) and later["sampled"] == 0 and server.asked.total() == len(FORMS)
    by_form = {row["query_id"]: row for row in samples.iter_rows(named=True)}
    for form, row in by_form.items():
        cut = form in CUT
        assert row["completion"] == ("" if cut else REPLY), form
        assert row["reasoning"] == (None if form == "hidden" else THOUGHT), form
        assert (row["num_tokens"], row["reasoning_tokens"]) == ((7, 7) if cut else (10, 7)), form
        assert row["finish_reason"] == ("length" if cut else "stop")
    assert ledger["completion_tokens"] == ledger["dollars"] == 10 * len(FORMS) - 6
    assert ledger["reasoning_tokens"] == 7 * len(FORMS)
    found = read_answers("numeric", samples["completion"], samples["finish_reason"])
    said = dict(zip(samples["query_id"], found.rows(), strict=True))
    assert all(said[form] == ((None, "truncated") if form in CUT else ("42", "ok")) for form in FORMS)


@pytest.mark.parametrize(("empty", "text", "reason"), [(2, REPLY, "stop"), (99, "", "unknown")])
def test_a_thought_without_a_reply_is_asked_again_a_bounded_number_of_times(
    ask, monkeypatch, empty, text, reason
):
    with ThinkingServer() as server:
        answer = server.reply

        def silent(body):
            """`empty` thoughts that end in no reply, then replies."""
            document = answer(body)
            if "deepseek" in body["messages"][-1]["content"] and server.asked["deepseek"] <= empty:
                document["choices"][0]["message"] |= {"content": "", "reasoning_content": THOUGHT}
            return document

        monkeypatch.setattr(server, "reply", silent)
        samples, ledger = ask(server, "first")
    row = samples.row(by_predicate=pl.col("query_id") == "deepseek", named=True)
    assert (row["completion"], row["finish_reason"], server.asked["deepseek"]) == (text, reason, 3)
    assert ledger["failures"].get("empty reply") == 2
