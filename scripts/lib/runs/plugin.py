"""What we change in Snakemake's SLURM plugin 2.8.0, in the process that submits."""

import getpass
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.lib.data.files import digest
from scripts.lib.process.cli import SNAPSHOT
from scripts.lib.runs import slurm
from scripts.lib.runs.lock import folder_id
from scripts.lib.runs.queue import Submission, jobs, left, remembering, stopping
from scripts.lib.runs.snakemake_log import key_of
from scripts.lib.runs.submission import account_flag, gpu_flag

PLACE = ("slurm_partition", "slurm_account", "qos", "constraint", "gpu", "gpu_model", "gpu_flag", "nodes")
"""Resources that say where a job runs."""
QUEUE = "squeue --me --states=all --noheader --format='%i|%T (%r)'"


def install() -> None:
    """Have the plugin name each job by what it does, keep its run, its folder and a word of its own in the
    comment, ask for GPUs as the site wants, have one Snakemake do all steps of a group, and wait for a SLURM
    that is away; and have Snakemake itself end whenever it is told to.

    The plugin gives all jobs of a run one name and asks for their states by it; here it asks for the user's.
    A job's Snakemake starts another one by srun; a group's does its steps itself, which need no GPU. The
    plugin takes a submission that SLURM could not take for a failed attempt, and forgets its jobs when one
    look at them falls into an outage. Snakemake's handler of SIGTERM waits for a lock that its own thread may
    hold: the Snakemake of a job that is preempted while it looks for outputs would hang.
    """
    if "snakemake_executor_plugin_slurm" not in sys.modules:
        return
    import snakemake_executor_plugin_slurm as plugin
    from snakemake.logging import logger
    from snakemake.scheduling.job_scheduler import JobScheduler
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
        comment = f"{params['run_uuid']}/{folder_id()}/{makes(job)}/{uuid.uuid4().hex[:8]}"
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

    def told(scheduler: Any, *_: object) -> None:
        scheduler._user_kill = "graceful"
        threading.Thread(target=scheduler._open_jobs.release).start()

    JobScheduler.exit_gracefully = told
    plugin.get_submit_command = named
    plugin.Executor.format_job_exec = together
    plugin.query_job_status_squeue = lambda run: QUEUE
    plugin.query_job_status_sacct = accounts
    plugin.set_gres_string = lambda job: gpu_flag(job.resources)
    plugin.Executor.get_account_arg = lambda self, job: iter([account_flag(job.resources)])
    plugin.query_job_status = looked
    plugin.cancel_slurm_jobs = cancel
    plugin.get_min_job_age = remembering(get_min_job_age)
    plugin.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": Submission})


def makes(job: Any) -> str:
    """What a job makes, of what and where: its rule and wildcards, what its run works from, its place. Two
    jobs for which it is the same do the same; a group's is like no other."""
    snapshot = os.environ.get(SNAPSHOT)
    if job.is_group() or not snapshot:
        return uuid.uuid4().hex[:12]
    place = [f"{name}={job.resources.get(name)}" for name in PLACE]
    told = [digest(Path(snapshot)), *place, *key_of(job.rule.name, job.wildcards_dict.items())]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]


def take_over(dag: Any) -> None:
    """Go on with the jobs that an earlier run in this folder has left in SLURM, as far as this run would
    submit the very same now; end the others. For the run's start, once it has said what it works from."""
    run = folder_id()
    now = {
        makes(job)
        for job in dag.needrun_jobs()
        if not job.is_group() and not job.group and not any(map(dag.needrun, dag.dependencies[job]))
    }
    found = slurm.living(run)
    left.update({what: number for number, what in found.items() if what in now})
    others = found.keys() - left.values()
    if left:
        print(f"going on with {len(left)} SLURM jobs that an earlier run left", file=sys.stderr, flush=True)
    if others:
        print(f"ending {len(others)} SLURM jobs that an earlier run left", file=sys.stderr, flush=True)
    slurm.end(run, others)


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
