import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch")

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.engines import transformers as hf
from scripts.lib.engines.base import Prompt, Request, Run, Settings, seed_of
from scripts.lib.engines.registry import open_engine
from scripts.lib.errors import UserError
from scripts.lib.models.loading import load_causal
from scripts.lib.samples import fill
from scripts.sample import sample
from tests.support import steps

WORLD = Path("config/prompts/world.jinja")
QUESTIONS = [f"Ana has {i} pens . buys {j} . How many now ?" for i in range(8) for j in range(3)]
QUESTIONS += [f"Bo has {i} ." for i in range(8)]


RUN = {field.name for field in fields(Run)}


def settings(**changes):
    run = Run(
        engine="transformers", dtype="float32", **{key: changes.pop(key) for key in RUN if key in changes}
    )
    template = run.template(WORLD, changes.pop("stop", None))
    return Settings(**({"template": template, "max_tokens": 12, "run": run} | changes))


def ask(engine, temperature=0.7, n=2, questions=QUESTIONS):
    prompts = [engine.render(question, []) for question in questions]
    requests = [
        Request(prompt.text, prompt, temperature, i, seed_of(0, prompt.text, temperature, i))
        for prompt in sorted(prompts, key=lambda prompt: len(prompt.ids))
        for i in range(n)
    ]
    return requests, [True] * len(requests)


def texts(finished):
    return {(request.key, request.index): done for part in finished for request, done in part}


@pytest.fixture(scope="module")
def engine(tiny):
    return open_engine(str(tiny), None, settings())


def test_completions_say_how_they_ended(engine):
    done = texts(engine.generate(*ask(engine, temperature=1.5, n=6)))
    assert len(done) == len(QUESTIONS) * 6
    assert {completion.finish_reason for completion in done.values()} == {"stop", "length"}
    assert all(
        completion.num_tokens == 12 for completion in done.values() if completion.finish_reason == "length"
    )
    assert not any("<" in completion.text for completion in done.values())


def test_stop_strings_end_and_leave_a_completion(tiny, engine):
    requests, missing = ask(engine, temperature=1.0)
    free = texts(engine.generate(requests, missing))
    word = max(
        ["Ana", "pens", "is", ".", "7", "8"],
        key=lambda word: sum(word in done.text for done in free.values()),
    )
    stopped = texts(open_engine(str(tiny), None, settings(stop=(word,))).generate(requests, missing))
    assert any(word in done.text for done in free.values())
    for key, completion in stopped.items():
        before, found, _ = free[key].text.partition(word)
        assert completion.text == before
        if found:
            assert completion.finish_reason == "stop" and completion.num_tokens > len(before.split())
            assert completion.num_tokens + completion.saved_tokens == engine.settings.max_tokens
        else:
            assert completion.saved_tokens == 0


def test_units_are_cut_alike_after_a_kill():
    requests = [Request(str(i), Prompt("text", ""), 1.0, i, i) for i in range(10)]
    whole = list(hf.units(requests, [True] * 10, 4))
    assert [len(unit) for unit in whole] == [4, 4, 2]
    assert list(hf.units(requests, [False] * 4 + [True] * 6, 4)) == whole[1:]
    assert list(hf.units(requests, [True] * 4 + [False] * 4 + [True] * 2, 4)) == [whole[0], whole[2]]
    partly = [i % 2 == 0 for i in range(10)]
    found = [[request.index for request in unit] for unit in hf.units(requests, partly, 4)]
    assert found == [[0, 2, 4, 6], [8]]
    assert list(hf.units(requests, [False] * 10, 4)) == []


def test_a_unit_is_some_seconds_of_work_and_a_batch_at_least():
    assert hf.unit_rows(150_000, 48, 64, "cpu") == 4096
    assert hf.unit_rows(150_000, 48, 5000, "cpu") == 5000
    assert hf.unit_rows(135_000_000, 512, 64, "cpu") == 64
    assert 16 < hf.unit_rows(1_000_000_000, 512, 16, "cuda") < 100


@pytest.mark.parametrize("batch_size", [7, 50])
def test_as_many_run_side_by_side_as_batch_size_says(tiny, monkeypatch, batch_size):
    """Also of a model whose seconds' worth are fewer."""
    from scripts.lib.models import generation

    sizes, sampled = [], generation._sample
    monkeypatch.setattr(hf, "_UNIT_FLOP", {"cpu": 1.0, "cuda": 1.0})
    monkeypatch.setattr(
        generation,
        "_sample",
        lambda model, rows, *rest: sizes.append(len(rows)) or sampled(model, rows, *rest),
    )
    engine = open_engine(str(tiny), None, settings(batch_size=batch_size))
    requests, missing = ask(engine, n=50, questions=["Ana has 7"])
    assert len(texts(engine.generate(requests, missing))) == 50
    assert max(sizes) == batch_size and sum(sizes) == 50


def test_a_shards_unit_is_the_one_that_runs_together(engine, tiny):
    parameters = load_causal(str(tiny), None, dtype="float32", device="cpu").num_parameters()
    assert engine.unit == hf.unit_rows(parameters, 12, engine.settings.run.batch_size, "cpu")


def test_a_prompt_that_leaves_no_room_is_a_clear_error(tiny):
    engine = open_engine(str(tiny), None, settings(max_tokens=250))
    with pytest.raises(UserError, match="exceed the 256 positions"):
        next(engine.generate(*ask(engine)))


def test_what_a_model_lacks_is_a_clear_error(tiny, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        open_engine(str(tmp_path / "none"), None, settings())
    with pytest.raises(UserError, match="no \\*.safetensors"):
        open_engine(str(tmp_path), None, settings())
    with pytest.raises(UserError, match="one device"):
        open_engine(str(tiny), None, settings(tensor_parallel_size=2))


@pytest.fixture
def here(tmp_path):
    table = {"query_id": [f"q{i:02}" for i in range(len(QUESTIONS))], "question": QUESTIONS}
    table |= {"options": [[]] * len(QUESTIONS), "group": [""] * len(QUESTIONS), "shots": None}
    write(pl.DataFrame(table, schema=QUERIES), tmp_path / "queries.parquet", QUERIES)
    return tmp_path


def run(here, tiny, store="store", **flags):
    output = here / f"{store}.parquet"
    arguments = {
        "queries": here / "queries.parquet",
        "model": str(tiny),
        "prompt": WORLD,
        "output": output,
        "ledger": here / "ledger.json",
        "store": here / store,
        "temperatures": (0.0, 0.7, 1.0),
        "n": 3,
        "max_tokens": 12,
        "engine": "transformers",
        "dtype": "float32",
        "batch_size": 16,
    }
    steps.call(sample.main, **(arguments | flags))
    return output.read_bytes() if output.exists() else b""


def test_a_killed_run_resumes_to_the_same_bytes(here, tiny, monkeypatch):
    monkeypatch.setattr(hf, "_UNIT_ROWS", 16)
    monkeypatch.setattr(fill, "FLUSH_SECONDS", 0.0)
    whole = run(here, tiny, "whole")
    generate = hf.Transformers.generate

    def killed(self, requests, missing):
        for number, unit in enumerate(generate(self, requests, missing)):
            if number == 3:
                raise KeyboardInterrupt
            yield unit

    with monkeypatch.context() as patch:
        patch.setattr(hf.Transformers, "generate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(here, tiny)
    assert run(here, tiny) == whole
    assert json.loads((here / "ledger.json").read_text())["reused"] == 48


def test_shards_write_the_bytes_of_one_job(here, tiny, monkeypatch):
    monkeypatch.setattr(hf, "_UNIT_ROWS", 16)
    whole = run(here, tiny, "whole")
    ledgers = tuple(here / f"{number}-of-3.json" for number in range(3))
    for path in ledgers:
        assert run(here, tiny, output=None, shard=path.stem, ledger=path) == b""
    assert run(here, tiny, shards=ledgers) == whole
    spent = [json.loads(path.read_text())["sampled"] for path in ledgers]
    assert min(spent) > 0 and sum(spent) == json.loads((here / "ledger.json").read_text())["sampled"]


def test_a_damaged_part_is_generated_again_alike(here, tiny, monkeypatch, capsys):
    monkeypatch.setattr(hf, "_UNIT_ROWS", 16)
    monkeypatch.setattr(fill, "FLUSH_SECONDS", 0.0)
    whole = run(here, tiny)
    victim = sorted((here / "store").rglob("part-*"))[4]
    victim.write_bytes(victim.read_bytes()[:-9])
    assert run(here, tiny) == whole
    assert "is damaged" in capsys.readouterr().err


def test_more_samples_keep_the_old_ones(here, tiny):
    run(here, tiny, temperatures=(0.7,))
    before = read(here / "store.parquet", SAMPLES)
    run(here, tiny, temperatures=(0.7,), n=5)
    after = read(here / "store.parquet", SAMPLES)
    assert after.filter(pl.col("sample_id") < 3).equals(before)
    assert json.loads((here / "ledger.json").read_text())["sampled"] == 2 * len(QUESTIONS)


@pytest.mark.campaign
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_resumes_to_the_same_bytes(here, tiny, how):
    flags = {"queries": here / "queries.parquet", "model": tiny, "prompt": WORLD, "n": 250, "max-tokens": 64}
    flags |= {"ledger": here / "ledger.json", "engine": "transformers", "dtype": "float32"}

    def command(store):
        places = {"store": here / store, "output": here / f"{store}.parquet"}
        words = [word for key, value in (flags | places).items() for word in (f"--{key}", str(value))]
        return [sys.executable, "-m", "scripts.sample.sample", "--chat", "--temperatures", "0", "1", *words]

    subprocess.run(command("whole"), check=True, capture_output=True)
    process = subprocess.Popen(command("killed"), stderr=subprocess.PIPE)
    while not list((here / "killed").rglob("part-*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.kill(process.pid, how)
    process.communicate()
    assert process.returncode == (143 if how == signal.SIGTERM else -9)
    assert not (here / "killed.parquet").exists()
    subprocess.run(command("killed"), check=True, capture_output=True)
    assert (here / "killed.parquet").read_bytes() == (here / "whole.parquet").read_bytes()
    assert 0 < json.loads((here / "ledger.json").read_text())["sampled"] < 250 * len(QUESTIONS)
