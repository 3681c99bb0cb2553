"""A real checkpoint, a real server, real text, questions without answers: the README's walk, end to end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.workflow.project import ROOT, Project

pytest.importorskip("torch")
pytest.importorskip("xllamacpp")

from tests.real.run import prepare, run

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif("not os.environ.get('REDISTILL_SHARED_DATA')", reason="set REDISTILL_SHARED_DATA"),
]

CHAIN = "dataset=easy/teacher=stronger/student=smollm2"
OURS = f"{CHAIN}/variant=ours/seed=0"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which the study has run; the sampling of the server was killed once."""
    folder = Project(tmp_path_factory.mktemp("real")).folder
    (folder / "tests").mkdir()
    (folder / "tests/real").symlink_to(ROOT / "tests/real")
    for name in (".venv", ".venv-gpu"):
        (folder / name).symlink_to(ROOT / name)
    prepare(folder, "small")
    assert run(folder, "small", limit=1500).returncode == 0
    return folder


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def completions(folder: Path, chain: str) -> pl.DataFrame:
    (found,) = (folder / "results").glob(f"*/benchmark=held_out/{chain}/samples.parquet")
    return pl.read_parquet(found).sort("query_id")


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
    assert ledger["sampled"] == samples.height and ledger["failures"] == {}
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
    subprocess.run(command, cwd=project, check=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"})
    found = pl.read_parquet(files["output"]).sort("query_id")
    expected = completions(project, OURS)
    assert found["query_id"].equals(expected["query_id"])
    assert (found["completion"] == expected["completion"]).sum() >= expected.height - 1
