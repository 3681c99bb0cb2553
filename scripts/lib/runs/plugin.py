"""What we change in Snakemake's SLURM plugin 2.8.0, in the process that submits."""

import getpass
import sys
from typing import Any

from scripts.lib.runs.submission import gpu_flag

QUEUE = "squeue --me --states=all --noheader --format='%i|%T'"


def install() -> None:
    """Have the plugin name each job by what it does, keep its run's name in the comment, and ask for GPUs as
    the site wants.

    The plugin gives all jobs of a run one name and asks for their states by it; here it asks for the user's.
    """
    if "snakemake_executor_plugin_slurm" not in sys.modules:
        return
    import snakemake_executor_plugin_slurm as plugin
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command

    def named(job: Any, params: dict, **more: Any) -> str:
        told = {"run_uuid": job_name(job), "comment_str": params["run_uuid"]}
        return get_submit_command(job, params | told, **more)

    def accounts(run: str) -> str:
        return query_job_status_sacct(run).replace(f"--name {run}", f"--user {getpass.getuser()}")

    plugin.get_submit_command = named
    plugin.query_job_status_squeue = lambda run: QUEUE
    plugin.query_job_status_sacct = accounts
    plugin.set_gres_string = lambda job: gpu_flag(job.resources)


def job_name(job: Any) -> str:
    """The name of a Snakemake job in SLURM, the path of its log below logs/: train_sft/dataset=.../seed=0.

    Of a group its rules, joined by +, and the wildcards that they share.
    """
    members = list(job.jobs) if job.is_group() else [job]
    rules = "+".join(sorted({member.rule.name for member in members}))
    first, *others = (member.wildcards_dict for member in members)
    shared = [f"{key}={value}" for key, value in first.items() if all(w.get(key) == value for w in others)]
    return "/".join([rules, *shared])
