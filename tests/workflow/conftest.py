"""The workflow of the demo, as Snakemake reads it."""

import pytest

from tests.workflow.project import ROOT


@pytest.fixture(scope="session")
def workflow():
    """Snakemake's own object: `rules` as they were read, `globals` as the rules see them."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        loaded = api.workflow(
            ResourceSettings(), ConfigSettings(), snakefile=ROOT / "Snakefile", workdir=ROOT
        )
        yield loaded._workflow


@pytest.fixture(scope="session")
def steps(workflow) -> list:
    """The rules that run a command."""
    return [rule for rule in workflow.rules if rule.shellcmd]
