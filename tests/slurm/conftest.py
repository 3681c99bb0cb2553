"""One throwaway cluster for all tests of this folder; they skip, with the reason, where SLURM is absent."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.slurm.box import REPORT, Box
from tests.slurm.cluster import Cluster, missing
from tests.workflow.project import ROOT


@pytest.fixture(scope="session")
def cluster():
    """A running cluster."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if reason := missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def environments():
    """Both environments of the project; skips without them."""
    for name in (".venv", ".venv-gpu"):
        if not (ROOT / name / "bin/python").exists():
            pytest.skip(f"{name} is not there (make setup)")


@pytest.fixture(scope="session")
def local(cluster, environments, tmp_path_factory):
    """A finished run on this machine: what every run on the cluster must come to."""
    box = Box(tmp_path_factory.mktemp("local") / "box")
    assert box.run(REPORT) == 0, box.log()
    return box
