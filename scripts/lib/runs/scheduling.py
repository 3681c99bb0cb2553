"""How often Snakemake looks for jobs to start."""

from typing import Any

USUAL = (100, 1)
"""Jobs and seconds of Snakemake's own limit, `--max-jobs-per-timespan 100/1s`."""


def on_demand(scheduler: Any) -> None:
    """Have Snakemake (9.27's JobScheduler) look when a job has ended, and not every second besides.

    Under a limit each look sets a timer for the next, and each job that ends starts another chain of them:
    after some hundred jobs a driver with many steps ready does little else. Its usual limit limits nothing
    here, as jobs are submitted one by one; another one is the user's, and stays.
    """
    limit = scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == USUAL:
        scheduler.job_rate_limiter = None
