"""The sbatch command that Snakemake's plugin submits a job with, for a rehearsal; our flags for its GPUs and
its account."""

import contextlib
import io
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.lib.errors import UserError

GPU_FLAGS = {"gpus": "--gpus=", "gpus-per-node": "--gpus-per-node=", "gres": "--gres=gpu:"}
"""How a site wants GPUs to be asked for: the profile's `gpu_flag`."""
MODEL = re.compile(r"[\w.-]*")


def gpu_flag(resources: Mapping[str, Any]) -> str:
    """A job's flag for GPUs, by its `gpu`, `gpu_model` and `gpu_flag`; a job without any asks for none.

    Plugin 2.8.0 asks for `--gpus=h100:0` there, which sites refuse in partitions without GPUs, takes no
    model with a hyphen, and knows no other flag. Raises UserError for a wrong model or flag.
    """
    gpus, model = resources.get("gpu") or 0, str(resources.get("gpu_model") or "")
    how = str(resources.get("gpu_flag") or "gpus")
    if how not in GPU_FLAGS:
        raise UserError(f"gpu_flag {how!r} is none of {', '.join(GPU_FLAGS)}: mend the profile")
    if not MODEL.fullmatch(model):
        raise UserError(
            f"gpu_model {model!r} is no name of GPUs, as `sinfo -o %G` shows them: mend the profile"
        )
    each = gpus // (resources.get("nodes") or 1) if how != "gpus" else gpus
    return f" {GPU_FLAGS[how]}{f'{model}:' if model else ''}{each}" if gpus else ""


def account_flag(resources: Mapping[str, Any]) -> str:
    """A job's flag for its account, by its `slurm_account`; without one SLURM takes the user's default.

    Plugin 2.8.0 takes the account of the user's last job there, whatever that was, and says four lines.
    """
    account = str(resources.get("slurm_account") or "")
    return f"-A {shlex.quote(account)}" if account else ""


def settings(arguments: list[str]) -> Any:
    """The plugin's settings that a Snakemake command line, its profile included, comes to."""
    from snakemake.cli import parse_args
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    with contextlib.redirect_stderr(io.StringIO()):  # which profiles it reads
        _, given = parse_args(arguments)
    return ExecutorPluginRegistry().get_plugin("slurm").get_settings(given)


def command(job: dict, partition: str, how: Any) -> tuple[str, ...]:
    """The flags of sbatch that the plugin will submit an announced job with, but for its name and comment.

    `job`: Snakemake's record of it, with `resources` and `threads`; `how`: the plugin's `settings`. Raises
    UserError for resources that the plugin refuses.
    """
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
    from snakemake_interface_common.exceptions import WorkflowError

    resources = job["resources"]
    announced = SimpleNamespace(resources=resources, threads=job.get("threads", 1), name=job["rule_name"])
    params = {
        "run_uuid": "rehearsal",
        "slurm_logfile": Path("/dev/null"),
        "comment_str": "",
        "account": account_flag(resources),
        "partition": f"-p {shlex.quote(partition)}" if partition else "",
        "workdir": "",
    }
    try:
        validate_slurm_extra(announced)
        said = get_submit_command(announced, params, settings=how) + gpu_flag(resources)
    except WorkflowError as error:
        raise UserError(f"rule {job['rule_name']}: {error}: mend the profile") from None
    return tuple(word for word in shlex.split(said)[1:] if word != "--parsable")
