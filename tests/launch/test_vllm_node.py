"""A model over two pretended nodes, by vLLM itself: slow, as its engine is started a few times."""

import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")

from scripts.lib.data.tables import SAMPLES, read
from tests.lib.engines import test_vllm
from tests.lib.engines.test_vllm import command, real
from tests.support.srun import job

here = test_vllm.here
SHARED = {"tensor-parallel-size": 2, "nodes": 2}


def on_two_nodes(here, tiny, folder: Path, store: str, **more) -> subprocess.CompletedProcess:
    """Sample as the rules do in a job of two nodes: the step on the first."""
    environment = job(folder) | {"VLLM_HOST_IP": "127.0.0.1"} | more
    words = ["srun", "--nodes=1", "--relative=0", *command(here, tiny, store, **SHARED)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=1200)


@real
def test_a_model_over_two_nodes_answers_as_on_one(here, tiny, tmp_path):
    """They share each layer, through gloo."""
    whole, _, _ = test_vllm.run(here, tiny, "one-node")
    done = on_two_nodes(here, tiny, tmp_path, "two-nodes")
    assert done.returncode == 0, done.stderr
    assert read(here / "two-nodes.parquet", SAMPLES).equals(whole)
    assert len(list(tmp_path.glob("steps/*"))) == 2


@real
def test_a_node_whose_workers_end_ends_the_step(here, tiny, tmp_path):
    """Its engine would wait for them for ever."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif os.environ.get('SLURM_RELATIVE') == '1': os._exit(3)\n", encoding="utf-8"
    )
    done = on_two_nodes(here, tiny, tmp_path, "lost", PYTHONPATH=str(tmp_path))
    assert done.returncode == 128 + signal.SIGTERM
    assert "vLLM ended on another node (exit code 3)" in done.stderr
