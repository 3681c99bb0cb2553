"""Data and models from a hub, by name and pinned commit: prefetched once, then never reached out for."""

import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.support.hub_server import Hub
from tests.workflow.project import ROOT, Project

pytest.importorskip("snakemake")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".venv-gpu/bin/python").exists(), reason="needs .venv-gpu; `make setup` makes it"
    ),
]

COMMIT = "5eed" * 10
CONFIG = {
    "downloads": {
        "sums.parquet": {
            "repo": "some/sums",
            "revision": COMMIT,
            "name": "main",
            "split": "train",
            "rows": 20,
        },
        # Of no study: not fetched.
        "notes.csv": {"repo": "some/sums", "revision": COMMIT, "file": "notes.csv"},
    },
    "datasets": {
        "sums": {"queries": "data/sums.parquet", "task": "numeric", "prompt": "question", "max_tokens": 8}
    },
    "teachers": {
        "hub": {"base": {"temperatures": [0.5], "n": 2}, "again": None, "vote": {"m": 2}},
    },
    "students": {"hub": {}},
    "variants": {
        "sft": {
            "method": "sft",
            "answers": "all",
            "training": {
                "learning_rate": 1e-3,
                "per_device_train_batch_size": 4,
                "gradient_accumulation_steps": 1,
                "max_steps": 2,
            },
        }
    },
    "benchmarks": {
        "sums": {
            "dataset": "sums",
            "split": "validation",
            "task": "numeric",
            "prompt": "question",
            "max_tokens": 8,
        }
    },
    "studies": {"hub": {"table": "hub.tsv", "benchmarks": ["sums"]}},
}
SAMPLES = "results/teacher_samples/dataset=sums/teacher=hub/seed=0/round=1/samples.parquet"
BASE = "results/eval_samples/benchmark=sums/student=hub/seed=0/samples.parquet"
ARGUMENTS = ("--configfile", "hub.yaml")


def parquet(rows: dict[str, list]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows).write_parquet(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def repositories(tmp_path_factory) -> dict[tuple[str, str], dict[str, bytes]]:
    """A data set of 30 questions in the hub's layout, and a byte-level model that also has pickled
    weights."""
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    sizes = {"hidden-size": 16, "num-hidden-layers": 1, "num-attention-heads": 2, "intermediate-size": 32}
    flags = [str(part) for name, size in sizes.items() for part in (f"--{name}", size)]
    flags += ["--max-position-embeddings", "256", "--seed", "0", "--output", str(folder)]
    subprocess.run(
        [ROOT / ".venv-gpu/bin/python", "-m", "scripts.world.make_model", *flags], cwd=ROOT, check=True
    )
    card = {"configs": [{"config_name": "main", "data_files": [{"split": "train", "path": "main/train-*"}]}]}
    sums = {"question": [f"{n} + {n} ?" for n in range(30)], "answer": [str(2 * n) for n in range(30)]}
    model = {file.name: file.read_bytes() for file in folder.iterdir()}
    return {
        ("datasets", "some/sums"): {
            "README.md": f"---\n{yaml.safe_dump(card)}---\n".encode(),
            "main/train-00000-of-00001.parquet": parquet(sums),
            "notes.csv": b"a,b\n1,2\n",
        },
        ("models", "some/model"): model | {"pytorch_model.bin": b"no", "original/params.json": b"{}"},
    }


def hub_project(folder: Path) -> Project:
    project = Project(folder)
    for name in (".venv", ".venv-gpu"):
        (folder / name).symlink_to(ROOT / name)
    model = {"model": "some/model", "revision": COMMIT, "engine": "transformers", "dtype": "float32"}
    own = json.loads(json.dumps(CONFIG))
    for block in (own["teachers"]["hub"], own["students"]["hub"]):
        block |= model
    (folder / "hub.yaml").write_text(yaml.safe_dump(own))
    (folder / "hub.tsv").write_text("dataset\tteacher\tstudent\tvariant\tseed\nsums\thub\thub\tsft\t0\n")
    return project


def test_prefetched_once_a_run_never_reaches_out(repositories, tmp_path, monkeypatch) -> None:
    project = hub_project(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    prefetch = [sys.executable, "-m", "scripts.commands.prefetch", "--config", "hub.yaml", "--study", "hub"]
    with Hub(repositories, COMMIT) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        fetched = subprocess.run(prefetch, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert fetched.returncode == 0, fetched.stdout + fetched.stderr
        assert pl.read_parquet(tmp_path / "data/sums.parquet").height == 20
        assert any(line.endswith("model.safetensors") for line in hub.requests)
        assert not [line for line in hub.requests if ".bin" in line or "original/" in line]
        assert fetch(tmp_path, "--file", "notes.csv", "--output", "notes.csv").returncode == 0
        (tmp_path / "data/sums.parquet").unlink()
        (tmp_path / "notes.csv").unlink()

        hub.requests.clear()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        run = project.snakemake(SAMPLES, BASE, *ARGUMENTS)
        assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
        assert fetch(tmp_path, "--file", "notes.csv", "--output", "notes.csv").returncode == 0
        assert (tmp_path / "notes.csv").read_text() == "a,b\n1,2\n"
        absent = fetch(tmp_path, "--file", "more.csv", "--output", "more.csv")
        assert absent.returncode == 2 and "run `make prefetch CONFIG=... STUDY=...` where" in absent.stderr
        assert hub.requests == []
    ledger = json.loads((tmp_path / SAMPLES).with_name("ledger.json").read_text())
    assert ledger["model"] == f"some/model@{COMMIT}" and ledger["sampled"] == ledger["requested"] > 0


def fetch(folder: Path, *flags: str) -> subprocess.CompletedProcess:
    command = [
        ".venv-gpu/bin/python",
        "-m",
        "scripts.queries.fetch",
        "--repo",
        "some/sums",
        "--revision",
        COMMIT,
    ]
    return subprocess.run([*command, *flags], cwd=folder, capture_output=True, text=True, check=False)
