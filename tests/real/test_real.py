"""A real checkpoint, a real server, real text, questions without answers: the README's walk, end to end."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from tests.support import steps
from tests.support.proxy import Proxy
from tests.workflow.project import ROOT, Project

pytest.importorskip("torch")
pytest.importorskip("xllamacpp")

from tests.real import models
from tests.real.run import OFFLINE, command, prepare, run
from tests.real.server import llama_cpp

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif("not os.environ.get('REDISTILL_SHARED_DATA')", reason="set REDISTILL_SHARED_DATA"),
]

CHAIN = "dataset=easy/teacher=stronger/student=smollm2"
OURS = f"{CHAIN}/variant=ours/seed=0"


SERVED = "results/teacher_samples/dataset=easy/teacher=served/seed=0/round=1/samples.parquet"


@dataclass(frozen=True)
class Sampled:
    """A project in which the sampling of the server was killed, and done at the next call."""

    folder: Path
    kept: pl.DataFrame
    """What the store held when it was killed."""
    samples: pl.DataFrame
    undisturbed: pl.DataFrame
    """The same samples, drawn in one go into another store."""
    wanted: int
    """Completions asked for after the kill."""


@pytest.fixture(scope="module")
def sampled(tmp_path_factory) -> Sampled:
    folder = Project(tmp_path_factory.mktemp("real")).folder
    (folder / "tests").mkdir()
    (folder / "tests/real").symlink_to(ROOT / "tests/real")
    for name in (".venv", ".venv-gpu"):
        (folder / name).symlink_to(ROOT / name)
    prepare(folder, "small")
    with llama_cpp(models.gguf(), folder / "data/real/server.log") as address, Proxy(address) as proxy:
        words = command(folder, "small", proxy.url, SERVED)

        def done() -> pl.DataFrame:
            subprocess.run(words, cwd=folder, env=OFFLINE, check=True, timeout=1800)
            return pl.read_parquet(folder / SERVED)

        undisturbed = done()
        (folder / "store").rename(folder / "undisturbed")
        (folder / SERVED).unlink()
        proxy.forget()
        driver = subprocess.Popen(words, cwd=folder, env=OFFLINE, start_new_session=True)
        steps.until(lambda: len(proxy.answered) >= 4, 900)
        kill_all(folder)
        driver.wait()
        kept = pl.read_parquet(folder / "store/*/*/part-*.parquet")
        proxy.forget()
        return Sampled(folder, kept, done(), undisturbed, proxy.wanted)


def kill_all(folder: Path) -> None:
    """Kill every process that works in the folder, at once: the driver and its steps."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                os.kill(int(process.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def project(sampled) -> Path:
    """The same project, in which the study has run."""
    assert run(sampled.folder, "small", limit=3600).returncode == 0
    return sampled.folder


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def completions(folder: Path, chain: str) -> pl.DataFrame:
    (found,) = (folder / "results").glob(f"*/benchmark=held_out/{chain}/samples.parquet")
    return pl.read_parquet(found).sort("query_id")


def test_a_killed_run_asks_the_server_for_what_is_not_stored(sampled) -> None:
    """At the same seeds the server says the same, but for last bits that its batches move."""
    total = sampled.samples.height
    assert 4 <= sampled.kept.height < total and sampled.wanted == total - sampled.kept.height
    keys = ["query_id", "sample_id", "temperature"]
    assert sampled.samples.select(keys).equals(sampled.undisturbed.select(keys))
    assert set(sampled.kept["completion"]) <= set(sampled.samples["completion"])
    same = sampled.samples["completion"] == sampled.undisturbed["completion"]
    assert same.sum() >= 0.75 * total


def test_the_policy_begins_at_its_reference(project) -> None:
    metrics = lines(project / f"results/checkpoints/{OURS}/metrics.jsonl")
    first = next(line for line in metrics if line.get("iteration") == 1)
    assert first["kl"] == pytest.approx(0, abs=1e-3)
    assert all(line["ratio"] == pytest.approx(1, abs=1e-2) for line in metrics if "ratio" in line)


def test_every_completion_of_the_server_is_paid_once(project) -> None:
    folder = project / "results/teacher_samples/dataset=easy/teacher=served/seed=0/round=1"
    samples, ledger = (
        pl.read_parquet(folder / "samples.parquet"),
        json.loads((folder / "ledger.json").read_text()),
    )
    questions = lines(project / "data/real/questions.jsonl")
    assert samples["completion"].n_unique() > len(questions)
    assert ledger["sampled"] + ledger["reused"] == samples.height and ledger["failures"] == {}
    assert run(project, "small", "--dry-run", "results/reports/real/report.html").returncode == 0


def test_votes_choose_where_questions_have_no_answers(project) -> None:
    log = (project / f"logs/train_ppo/{OURS}.log").read_text()
    assert "agreement with the teacher's votes" in log


def test_the_exported_policy_says_the_same_in_transformers(project) -> None:
    """Greedy text of the pipeline's own sampling and of transformers' `generate`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = project / f"results/checkpoints/{OURS}/checkpoint"
    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    asked = {row["id"]: row["question"] for row in lines(project / "data/real/held_out.jsonl")}
    for row in completions(project, OURS).head(2).iter_rows(named=True):
        turn = [{"role": "user", "content": asked[row["query_id"]]}]
        ids = words.apply_chat_template(
            turn, add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        said = model.generate(ids, do_sample=False, max_new_tokens=48)[0, ids.shape[1] :]
        assert words.decode(said, skip_special_tokens=True) == row["completion"]


def test_the_exported_policy_says_the_same_in_vllm(project) -> None:
    """Greedy text by our step in vLLM; float32, where at most one answer may turn at a last bit."""
    pytest.importorskip("vllm")
    queries = project / "results/benchmarks/benchmark=held_out/queries.parquet"
    files = {name: project / f"vllm.{name}" for name in ("store", "output", "ledger")}
    flags = {
        "queries": queries,
        "model": project / f"results/checkpoints/{OURS}/checkpoint",
        "engine": "vllm",
    }
    flags |= {"prompt": "config/prompts/question.jinja", "n": 1, "max-tokens": 48, "dtype": "float32"} | files
    words = [word for key, value in flags.items() for word in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "scripts.sample.sample", "--chat", "--temperatures", "0", *words]
    subprocess.run(command, cwd=project, check=True, timeout=1800, env=os.environ | {"OMP_NUM_THREADS": "1"})
    found = pl.read_parquet(files["output"]).sort("query_id")
    expected = completions(project, OURS)
    assert found["query_id"].equals(expected["query_id"])
    assert (found["completion"] == expected["completion"]).sum() >= expected.height - 1


HARNESS = """
import json, sys
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

folder, questions = sys.argv[1], json.load(sys.stdin)
model = HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=1)
texts = [model.apply_chat_template([{"role": "user", "content": question}]) for question in questions]
asked = {"until": [], "do_sample": False, "max_gen_toks": 48}
print(json.dumps(model.generate_until([Instance("generate_until", {}, (text, asked), 0) for text in texts])))
"""
"""Greedy text of a folder by the model `hf` of lm-evaluation-harness (.venv-eval, over .venv-gpu)."""


def test_the_exported_policy_says_the_same_in_the_harness(project) -> None:
    python = ROOT / ".venv-eval/bin/python"
    if not python.exists():
        pytest.skip("could not import 'lm_eval': there is no .venv-eval")
    asked = {row["id"]: row["question"] for row in lines(project / "data/real/held_out.jsonl")}
    expected = completions(project, OURS).head(2)
    (packages,) = Path(ROOT / ".venv-gpu/lib").glob("python3.*/site-packages")
    said = subprocess.run(
        [python, "-c", HARNESS, project / f"results/checkpoints/{OURS}/checkpoint"],
        input=json.dumps([asked[name] for name in expected["query_id"]]),
        env=OFFLINE | {"PYTHONPATH": str(packages), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1800,
    ).stdout
    assert json.loads(said.splitlines()[-1]) == expected["completion"].to_list()
