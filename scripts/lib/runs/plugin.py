"""What we change in Snakemake's SLURM plugin 2.8.0, in the process that submits."""

import getpass
import sys
from pathlib import Path
from typing import Any

from scripts.lib.runs.submission import gpu_flag

QUEUE = "squeue --me --states=all --noheader --format='%i|%T'"


def install() -> None:
    """Have the plugin name each job by what it does, keep its run's name in the comment, ask for GPUs as the
    site wants, and have one Snakemake do all steps of a group.

    The plugin gives all jobs of a run one name and asks for their states by it; here it asks for the user's.
    A job's Snakemake starts another one by srun; a group's does its steps itself, which need no GPU.
    """
    if "snakemake_executor_plugin_slurm" not in sys.modules:
        return
    import snakemake_executor_plugin_slurm as plugin
    from snakemake.logging import logger
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_interface_executor_plugins.executors.real import RealExecutor

    def named(job: Any, params: dict, **more: Any) -> str:
        if job.is_group():  # scripts/lib/runs/snakemake_log.py reads it: Snakemake itself does not say so
            logger.info(
                f"Group {job.jobid} holds jobs {', '.join(str(member.jobid) for member in job.jobs)}."
            )
        told = {"run_uuid": job_name(job), "comment_str": params["run_uuid"]}
        return get_submit_command(job, params | told, **more)

    def accounts(run: str) -> str:
        return query_job_status_sacct(run).replace(f"--name {run}", f"--user {getpass.getuser()}")

    format_job = RealExecutor.format_job_exec

    def together(self: Any, job: Any) -> str:
        call = format_job(self, job)
        return call.replace(self.additional_general_args(), "--executor local") if job.is_group() else call

    plugin.get_submit_command = named
    plugin.Executor.format_job_exec = together
    plugin.query_job_status_squeue = lambda run: QUEUE
    plugin.query_job_status_sacct = accounts
    plugin.set_gres_string = lambda job: gpu_flag(job.resources)


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
