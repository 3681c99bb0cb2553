"""One throwaway cluster for all tests of this folder; they skip, with the reason, where SLURM is absent.

With REDISTILL_REQUIRE_SLURM set (as in CI) an absent SLURM fails them instead.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster():
    """A running cluster."""
    if reason := missing():
        pytest.fail(reason) if os.environ.get("REDISTILL_REQUIRE_SLURM") else pytest.skip(reason)
    pytest.importorskip("snakemake_executor_plugin_slurm")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
