"""A SLURM job on several nodes, pretended on this machine: an `srun` and a `scancel` to put on the PATH.

As SLURM's, this `srun` starts a command once on each node, forwards SIGUSR1, ends all at SIGTERM, and leaves
with the highest exit code.
"""

import os
import sys
from pathlib import Path

SRUN = """\
#!{python}
import os, signal, subprocess, sys, time
flags = [word for word in sys.argv[1:] if word.startswith("--") and "/" not in word]
command = sys.argv[1:]
while command[0].startswith("--"):
    command.pop(0)
told = dict(flag.lstrip("-").split("=") for flag in flags if "=" in flag)
steps = os.path.join({folder!r}, "steps")
os.makedirs(steps, exist_ok=True)
step = str(len(os.listdir(steps)))
started = []
for node in range(int(told["nodes"])):
    own = dict(SLURM_NODEID=str(node), SLURM_PROCID=str(node), SLURM_STEP_ID=step, SLURM_CPUS_PER_TASK="1")
    own |= dict(SLURM_LAUNCH_NODE_IPADDR="127.0.0.1", SLURM_RELATIVE=told["relative"])
    started.append(subprocess.Popen(command, env=os.environ | own, start_new_session=True))
with open(os.path.join(steps, step), "w") as file:
    print(*(process.pid for process in started), file=file)
def send(number, _):
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, number)
signal.signal(signal.SIGUSR1, send)
signal.signal(signal.SIGTERM, send)
codes = [process.wait() for process in started]
raise SystemExit(max(code if code >= 0 else 128 - code for code in codes))
"""
SCANCEL = """\
#!{python}
import os, signal, sys
number = getattr(signal, "SIG" + sys.argv[1].removeprefix("--signal="))
with open(os.path.join({folder!r}, "steps", sys.argv[2].partition(".")[2])) as file:
    for group in file.read().split():
        try:
            os.killpg(int(group), number)
        except ProcessLookupError:
            pass
"""


def job(folder: Path) -> dict[str, str]:
    """The environment of a process in such a job, whose commands lie in `folder`."""
    for name, text in (("srun", SRUN), ("scancel", SCANCEL)):
        file = folder / name
        file.write_text(text.format(python=sys.executable, folder=str(folder)), encoding="utf-8")
        file.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "SLURM_JOB_ID": str(os.getpid()), "OMP_NUM_THREADS": "1"}
