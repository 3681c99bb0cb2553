"""On PYTHONPATH of a test's run.

Snakemake's main process looks for ended SLURM jobs every second, instead of every 20 to 180 s. A step sees
the clock that the file `clock` beside it says: so many seconds off. All else runs unchanged.
"""

import os
import sys
import time
from pathlib import Path

words = sys.orig_argv
if "snakemake" in words[:4] and "--mode" not in words and "--unlock" not in words:
    try:
        from snakemake_executor_plugin_slurm import Executor
    except ImportError:
        pass
    else:
        Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None)
elif "SLURM_JOB_ID" in os.environ and "scripts." in "".join(words[:4]) and Path("clock").exists():
    off = float(Path("clock").read_text(encoding="utf-8"))
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + off
    time.time_ns = lambda: now_ns() + int(off * 1e9)
