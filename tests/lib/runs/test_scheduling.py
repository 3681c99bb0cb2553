from types import SimpleNamespace

import pytest

pytest.importorskip("snakemake")

from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from scripts.lib.runs.scheduling import USUAL, on_demand


def test_the_usual_limit_is_snakemake_s() -> None:
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    limit = MaxJobsPerTimespan.parse_choice(default) if isinstance(default, str) else default
    assert (limit.max_jobs, limit.timespan) == USUAL


@pytest.mark.parametrize(("given", "stays"), [("100/1s", False), ("50/1m", True), ("100/1m", True)])
def test_only_the_usual_limit_is_dropped(given: str, stays: bool) -> None:
    scheduler = SimpleNamespace(job_rate_limiter=JobRateLimiter(MaxJobsPerTimespan.parse_choice(given)))
    on_demand(scheduler)
    assert (scheduler.job_rate_limiter is not None) == stays


def test_without_a_limit_there_is_nothing_to_drop() -> None:
    scheduler = SimpleNamespace(job_rate_limiter=None)
    on_demand(scheduler)
    assert scheduler.job_rate_limiter is None
