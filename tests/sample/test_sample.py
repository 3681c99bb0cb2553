"""The sampling step with an engine of a few lines; real engines are tested in tests/lib/engines."""

import json
import os
import signal
from itertools import cycle
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.tables import IDS, QUERIES, SAMPLES, read, write
from scripts.lib.engines.base import Completion, Prompt
from scripts.lib.errors import UserError
from scripts.lib.process import progress
from scripts.lib.samples import fill, step
from scripts.lib.samples.draws import Shard
from scripts.lib.samples.flags import Place
from scripts.lib.samples.store import Partition
from scripts.sample import sample
from tests.support import steps


class Fake:
    """Says what it was asked; stops the run after `fails` completions."""

    dtype = "float32"
    bill = None
    unit = 2
    versions = {"fake": "1"}
    calls = 0

    def __init__(self, identity="model-a", fails=None, failure=None, ends=("stop", 0)):
        self.identity, self.fails, self.failure = identity, fails, failure
        self.ends = cycle([ends, ("stop", 0)])
        self.asked = []

    def render(self, question, options, shots):
        text = "".join(shot["answer"] for shot in shots) + question
        return Prompt("text", text, lambda: range(len(text)))

    def generate(self, requests, missing):
        for request, absent in zip(requests, missing, strict=True):
            if absent:
                if self.fails is not None and len(self.asked) == self.fails:
                    self.failure()
                self.asked.append((request.prompt.text, request.temperature, request.index))
                text, (reason, saved) = f"{request.prompt.text} {request.seed}", next(self.ends)
                yield [(request, Completion(text, reason, 4, 7, saved_tokens=saved))]


@pytest.fixture
def here(tmp_path):
    ids = ["q1", "q2", "q3"]
    table = {
        "query_id": ids,
        "question": ["one", "three", "two"],
        "options": [[]] * 3,
        "group": [""] * 3,
        "shots": None,
    }
    write(pl.DataFrame(table, schema=QUERIES), tmp_path / "queries.parquet", QUERIES)
    return tmp_path


@pytest.fixture
def run(here, monkeypatch):
    def call(engine=None, **flags):
        engine = engine or Fake()
        monkeypatch.setattr(step, "open_engine", lambda *_: engine)
        settings = {
            "queries": here / "queries.parquet",
            "model": "m",
            "prompt": Path("config/prompts/world.jinja"),
            "output": here / "samples.parquet",
            "ledger": here / "ledger.json",
            "store": here / "store",
            "temperatures": (0.7,),
            "n": 2,
        }
        steps.call(sample.main, **(settings | flags))
        if "shard" in flags:
            return engine.asked, json.loads(flags["ledger"].read_text())
        return read(here / "samples.parquet", SAMPLES), json.loads((here / "ledger.json").read_text()), engine

    return call


def test_samples_count_over_temperatures_then_index(run):
    samples, ledger, _ = run(temperatures=(0.5, 0.1), n=2)
    first = samples.filter(pl.col("query_id") == "q1")
    assert first.select("sample_id", "temperature", "round").rows() == [
        (0, 0.5, 1),
        (1, 0.5, 1),
        (2, 0.1, 1),
        (3, 0.1, 1),
    ]
    assert samples["completion"].n_unique() == 12
    assert {key: ledger[key] for key in ("engine", "model", "requested", "reused", "sampled")} == {
        "engine": "vllm",
        "model": "model-a",
        "requested": 12,
        "reused": 0,
        "sampled": 12,
    }
    assert (ledger["prompt_tokens"], ledger["completion_tokens"]) == (84, 48)


def test_a_greedy_answer_is_one_sample_whatever_n(run):
    samples, ledger, engine = run(temperatures=(0.0, 0.5), n=2)
    rows = samples.filter(pl.col("query_id") == "q1").select("sample_id", "temperature").rows()
    assert rows == [(0, 0.0), (1, 0.5), (2, 0.5)]
    assert samples.height == len(engine.asked) == ledger["requested"] == ledger["sampled"] == 9


def test_the_ledger_says_what_was_cut_off_and_what_stop_strings_saved(run, here):
    samples, ledger, _ = run(Fake(ends=("length", 0)))
    assert ledger["cut_off"] == (samples["finish_reason"] == "length").sum() == 3
    assert ledger["saved_tokens"] == 0
    _, ledger, _ = run(n=4)
    assert (ledger["sampled"], ledger["cut_off"], ledger["requested"]) == (6, 3, 12), "what is stored counts"
    _, ledger, _ = run(Fake(ends=("stop", 90)), store=here / "other")
    assert (ledger["cut_off"], ledger["saved_tokens"]) == (0, 3 * 90)


def test_nothing_is_paid_twice_and_the_bytes_are_the_same(run, here):
    run()
    first = (here / "samples.parquet").read_bytes()
    _, ledger, engine = run()
    assert engine.asked == [] and ledger["reused"] == 6 and ledger["completion_tokens"] == 0
    assert ledger["total_completion_tokens"] == 24
    assert (here / "samples.parquet").read_bytes() == first


def test_more_samples_and_more_queries_pay_for_the_difference(run, here):
    before, _, _ = run()
    samples, _, engine = run(n=3)
    assert [index for *_, index in engine.asked] == [2, 2, 2]
    kept = samples.filter(pl.col("sample_id") < 2)
    assert kept.equals(before)
    more = {"query_id": ["q4"], "question": ["four"], "options": [[]], "group": [""], "shots": None}
    grown = pl.concat([read(here / "queries.parquet", QUERIES), pl.DataFrame(more, schema=QUERIES)])
    write(grown, here / "queries.parquet", QUERIES)
    assert {text for text, *_ in run(n=3)[2].asked} == {"four"}


@pytest.mark.parametrize(
    "flags",
    [
        {"seed": 1},
        {"max_tokens": 9},
        {"top_p": 0.9},
        {"top_k": 20},
        {"min_p": 0.1},
        {"stop": ("Q:",)},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"temperatures": (0.8,)},
    ],
)
def test_other_sampling_parameters_are_other_samples(run, flags):
    run()
    assert len(run(**flags)[2].asked) == 6


def test_the_stop_strings_of_the_template_are_part_of_what_is_asked(run, here):
    prompt = here / "p.jinja"
    prompt.write_text("{{ question }}")
    run(prompt=prompt)
    prompt.write_text('{% set stop = ["Q:"] %}{{ question }}')
    assert len(run(prompt=prompt)[2].asked) == 6
    assert run(prompt=prompt, stop=())[2].asked == [] == run(prompt=prompt, stop=("Q:",))[2].asked


def test_the_shots_of_a_question_are_part_of_what_is_asked(here, run):
    run()
    table = read(here / "queries.parquet", QUERIES)
    shots = pl.Series([[{"question": "why", "options": [], "answer": "so "}], [], []], dtype=QUERIES["shots"])
    write(table.with_columns(shots=shots), here / "queries.parquet", QUERIES)
    _, _, engine = run()
    assert engine.asked == [("so one", 0.7, 0), ("so one", 0.7, 1)]


def test_another_precision_is_other_samples(run):
    run()
    other = Fake()
    other.dtype = "bfloat16"
    assert len(run(other)[2].asked) == 6


def test_another_model_is_sampled_anew_whatever_its_path(run):
    run()
    assert len(run(Fake("model-b"))[2].asked) == 6
    assert run(Fake("model-a"), model="elsewhere")[2].asked == []


def test_requests_come_sorted_by_prompt_length(run):
    _, _, engine = run(n=1)
    assert [text for text, *_ in engine.asked] == ["one", "two", "three"]


@pytest.mark.parametrize("kill", [KeyboardInterrupt, lambda: os.kill(os.getpid(), signal.SIGTERM)])
def test_an_interrupted_run_keeps_what_was_finished(run, here, kill, capsys):
    def failure():
        if kill is KeyboardInterrupt:
            raise KeyboardInterrupt
        kill()

    with pytest.raises((SystemExit, KeyboardInterrupt)) as stopped:
        run(Fake(fails=4, failure=failure))
    if stopped.type is SystemExit:
        assert stopped.value.code == 143
    assert not (here / "samples.parquet").exists()
    told = capsys.readouterr().err
    assert ("stored what was finished, " in told) == (stopped.type is SystemExit)
    _, ledger, engine = run()
    assert len(engine.asked) == 2 and ledger["reused"] == 4
    resumed = (here / "samples.parquet").read_bytes()
    run(store=here / "other")
    assert (here / "samples.parquet").read_bytes() == resumed


def test_the_second_round_draws_anew_and_continues_the_count(run):
    first, _, _ = run()
    second, _, engine = run(round=2, first_sample_id=2, temperatures=(0.7, 1.0))
    assert len(engine.asked) == 12
    assert second.filter(pl.col("query_id") == "q1")["sample_id"].to_list() == [2, 3, 4, 5]
    assert second["round"].unique().to_list() == [2]
    assert not set(first["completion"]) & set(second["completion"])


def test_only_selects_queries(run, here):
    write(pl.DataFrame({"query_id": ["q2"]}), here / "only.parquet", IDS)
    assert run(only=here / "only.parquet")[0]["query_id"].unique().to_list() == ["q2"]


def test_an_empty_selection_is_an_empty_table(run, here):
    write(pl.DataFrame(schema=IDS), here / "only.parquet", IDS)
    samples, ledger, engine = run(only=here / "only.parquet")
    assert samples.is_empty() and ledger["requested"] == 0 and engine.asked == []


def test_equal_questions_share_their_completions(run, here):
    table = read(here / "queries.parquet", QUERIES).with_columns(question=pl.lit("same"))
    write(table, here / "queries.parquet", QUERIES)
    samples, _, engine = run()
    assert len(engine.asked) == 2 and samples.height == 6


def test_progress_and_the_first_prompt_are_told(run, capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.001)
    run()
    told = capsys.readouterr().err
    assert "first prompt (text):\none" in told and "the longest prompt has 5 tokens" in told
    assert "6 of 6 completions to sample" in told and "completion 6 of 6 in " in told and " tokens (" in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"temperatures": (0.1, 0.1)}, "distinct"),
        ({"temperatures": (-1.0,)}, "not negative"),
        ({"n": 0}, "n is 0; it must be above 0"),
        ({"top_p": 0.0}, "top_p is 0.0; it must be above 0"),
        ({"top_k": -1}, "top_k is -1; it must be at least 0"),
        ({"min_p": 1.5}, "min_p is 1.5; it must be at most 1"),
        ({"round": 2}, "--first-sample-id"),
    ],
)
def test_wrong_flags_are_one_clear_error(run, flags, message):
    with pytest.raises(UserError, match=message):
        run(**flags)


def test_wrong_queries_are_one_clear_error(run, here):
    write(pl.DataFrame({"query_id": ["q9"]}), here / "only.parquet", IDS)
    with pytest.raises(UserError, match="'q9'"):
        run(only=here / "only.parquet")
    write(pl.DataFrame(schema=QUERIES), here / "queries.parquet", QUERIES)
    with pytest.raises(UserError, match="holds no queries"):
        run()


def test_a_full_disk_stops_the_run_and_keeps_the_store(run, here, monkeypatch):
    def full(self, rows):
        raise UserError("no space is left for the sample store")

    with monkeypatch.context() as patch:
        patch.setattr(Partition, "add", full)
        with pytest.raises(UserError, match="no space"):
            run()
    assert len(run()[2].asked) == 6


@pytest.mark.parametrize("requests", [0, 1, 7, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("unit", [1, 3, 256])
def test_shards_are_a_partition_in_whole_units_and_equally_heavy(requests, count, unit):
    dealt = [Shard(number, count).deal(requests, unit) for number in range(count)]
    assert [sum(owners) for owners in zip(*dealt, strict=True)] == [1] * requests
    for own in dealt:
        assert all(len(set(own[start : start + unit])) == 1 for start in range(0, requests, unit))
    heavy = [sum(own[::unit]) for own in dealt]
    assert max(heavy) - min(heavy) <= 1


def shard(run, here, name, **flags):
    return run(output=None, shard=name, ledger=here / f"{name}.json", **flags)


def test_shards_sample_what_one_job_samples_to_the_same_bytes(run, here):
    whole, ledger, engine = run(n=5, temperatures=(0.0, 0.7), store=here / "whole")
    content = (here / "samples.parquet").read_bytes()
    (here / "samples.parquet").unlink()
    names = [f"{number}-of-3" for number in range(3)]
    asked = [shard(run, here, name, n=5, temperatures=(0.0, 0.7)) for name in names]
    assert not (here / "samples.parquet").exists()
    assert all(mine for mine, _ in asked)
    assert sorted(request for mine, _ in asked for request in mine) == sorted(engine.asked)
    done = tuple(here / f"{name}.json" for name in names)
    _, gathered, idle = run(n=5, temperatures=(0.0, 0.7), shards=done)
    assert (here / "samples.parquet").read_bytes() == content and idle.asked == []
    timed = {"seconds": None}
    assert gathered | timed == ledger | timed
    assert gathered["seconds"] >= round(sum(spent["seconds"] for _, spent in asked), 1)


def test_what_a_straggler_left_falls_to_all_shards_of_the_next_call(run, here):
    for number in range(3):
        shard(run, here, f"{number}-of-4", n=40)
    rest = [shard(run, here, f"{number}-of-3", n=40)[0] for number in range(3)]
    assert 25 <= sum(map(len, rest)) <= 35 and min(map(len, rest)) >= 4


def test_shards_that_count_as_done_and_are_not_count_no_more(run, here):
    done = [here / f"{number}-of-2.json" for number in range(2)]
    for path in done:
        shard(run, here, path.stem)
    with pytest.raises(UserError, match="6 completions are missing although every shard is done"):
        run(shards=tuple(done), seed=1)
    assert not any(path.exists() for path in done)
    assert len(shard(run, here, "0-of-1", seed=1)[0]) == 6


def test_what_shards_of_another_call_left_is_tidied(run, here):
    left, now = here / "shards/aa/0-of-3.json", here / "shards/aa/0-of-1.json"
    left.parent.mkdir(parents=True)
    left.touch()
    shard(run, here, "0-of-1")
    (here / "0-of-1.json").rename(now)
    run(shards=(now,))
    assert not left.exists() and now.exists()
    run()
    assert not now.exists()


def test_a_signal_waits_for_what_is_being_stored(run, here, monkeypatch):
    """The second completion comes while the first is being written: one part, whole, then the end."""
    add = Partition.add

    def slow(self, rows):
        os.kill(os.getpid(), signal.SIGTERM)
        add(self, rows)

    monkeypatch.setattr(fill, "FLUSH_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Partition, "add", slow)
        with pytest.raises(SystemExit) as stopped:
            run()
    assert stopped.value.code == 143
    parts = list((here / "store").rglob("part-*"))
    assert [pl.read_parquet(part).height for part in parts] == [1]
    assert len(run()[2].asked) == 5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"shard": "3-of-3", "output": None}, "--shard '3-of-3' is no shard"),
        ({"shard": "first", "output": None}, "is no shard"),
        ({"shard": "0-of-2"}, "give --output, or --shard"),
        ({"output": None}, "give --output, or --shard"),
    ],
)
def test_wrong_shards_are_one_clear_error(run, flags, message):
    with pytest.raises(UserError, match=message):
        run(**flags)


def test_a_server_is_asked_by_one_job():
    with pytest.raises(UserError, match="a budget of its own"):
        Place(Path("ledger.json"), shard="0-of-2").part(remote=True)
