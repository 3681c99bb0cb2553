"""What we change in Snakemake's SLURM plugin 2.8.0, in the process that submits."""

import getpass
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.lib.runs.lock import folder_id
from scripts.lib.runs.queue import Submission, jobs, remembering, stopping
from scripts.lib.runs.submission import gpu_flag

QUEUE = "squeue --me --states=all --noheader --format='%i|%T'"


def install() -> None:
    """Have the plugin name each job by what it does, keep its run, its folder and a word of its own in the
    comment, ask for GPUs as the site wants, have one Snakemake do all steps of a group, and wait for a SLURM
    that is away.

    The plugin gives all jobs of a run one name and asks for their states by it; here it asks for the user's.
    A job's Snakemake starts another one by srun; a group's does its steps itself, which need no GPU. The
    plugin takes a submission that SLURM could not take for a failed attempt, and forgets its jobs when one
    look at them falls into an outage.
    """
    if "snakemake_executor_plugin_slurm" not in sys.modules:
        return
    import snakemake_executor_plugin_slurm as plugin
    from snakemake.logging import logger
    from snakemake_executor_plugin_slurm.job_cancellation import cancel_slurm_jobs
    from snakemake_executor_plugin_slurm.job_status_query import (
        get_min_job_age,
        query_job_status,
        query_job_status_sacct,
    )
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_interface_executor_plugins.executors.real import RealExecutor

    def named(job: Any, params: dict, **more: Any) -> str:
        if job.is_group():  # scripts/lib/runs/snakemake_log.py reads it: Snakemake itself does not say so
            logger.info(
                f"Group {job.jobid} holds jobs {', '.join(str(member.jobid) for member in job.jobs)}."
            )
        comment = f"{params['run_uuid']}/{folder_id()}/{uuid.uuid4().hex[:8]}"
        told = {"run_uuid": job_name(job), "comment_str": comment}
        call = get_submit_command(job, params | told, **more)
        # Snakemake adds up the nodes of steps side by side, which one Snakemake starts on one node.
        return re.sub(r" --nodes=\d+", " --nodes=1", call) if job.is_group() else call

    def accounts(run: str) -> str:
        return query_job_status_sacct(run).replace(f"--name {run}", f"--user {getpass.getuser()}")

    format_job = RealExecutor.format_job_exec

    def together(self: Any, job: Any) -> str:
        call = format_job(self, job)
        return call.replace(self.additional_general_args(), "--executor local") if job.is_group() else call

    async def looked(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        states, took = await query_job_status(command, logger)
        return jobs.looked(states, time.monotonic(), command.startswith("squeue")), took

    def cancel(*told: Any) -> None:
        stopping.set()
        cancel_slurm_jobs(*told)

    plugin.get_submit_command = named
    plugin.Executor.format_job_exec = together
    plugin.query_job_status_squeue = lambda run: QUEUE
    plugin.query_job_status_sacct = accounts
    plugin.set_gres_string = lambda job: gpu_flag(job.resources)
    plugin.query_job_status = looked
    plugin.cancel_slurm_jobs = cancel
    plugin.get_min_job_age = remembering(get_min_job_age)
    plugin.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": Submission})


def job_name(job: Any) -> str:
    """The name of a Snakemake job in SLURM, the path of its log below logs/: train_sft/dataset=.../seed=0.

    Of a group its rules, joined by +, and what their logs' paths share.
    """
    members = list(job.jobs) if job.is_group() else [job]
    first, *others = (_chain(member) for member in members)
    rules = "+".join(sorted({member.rule.name for member in members}))
    return "/".join([rules, *(part for part in first if all(part in other for other in others))])


def _chain(job: Any) -> tuple[str, ...]:
    """The folders of a job's log below its rule's: key=value each."""
    return Path(str(job.log[0]).removesuffix(".log")).parts[2:] if job.log else ()
