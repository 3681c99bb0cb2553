"""On PYTHONPATH of a test's run: Snakemake's main process looks for ended SLURM jobs every second, instead of every 20 to 180 s.

The jobs, and everything else, run unchanged.
"""

import sys

words = sys.orig_argv
if "snakemake" in words[:4] and "--mode" not in words and "--unlock" not in words:
    try:
        from snakemake_executor_plugin_slurm import Executor
    except ImportError:
        pass
    else:
        Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None)
