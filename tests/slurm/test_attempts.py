"""What Snakemake starts again on a cluster, with how much of what, and what it says in the end."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.runs import snakemake_log
from scripts.lib.runs.attempts import earlier
from tests.workflow.project import ROOT

pytestmark = pytest.mark.slow

SNAKEFILE = f"""\
import sys

sys.path.insert(0, "{ROOT}")
from scripts.lib.runs import attempts, plugin
from scripts.lib.workflow.costs import Cost

plugin.install()
if workflow.is_main_process:
    attempts.install()

HOURS = {{"goes_on": 0.05, "stuck": 0.05}}


def asks(key):
    return lambda wildcards, rulename: Cost(mem_mb=150_000 if rulename == "hungry" else 2000).request(
        HOURS.get(rulename, 24), past=attempts.past_of(rulename, wildcards)
    )[key]


asked = {{key: asks(key) for key in Cost().request(1)}}


rule all:
    default_target: True
    input:
        "goes_on.out", "stuck.out", "hungry.out", "fails.out"


rule goes_on:
    output: "goes_on.out"
    log: "goes_on.log"
    resources: **asked
    shell: "echo x >> goes_on.state; N=$(wc -l < goes_on.state); "
        "echo update $N of 4 in 1 s, 1 per second > {{log}}; test $N -lt 4 && exit 143; touch {{output}}"


rule stuck:
    output: "stuck.out"
    log: "stuck.log"
    resources: **asked
    shell: "echo update 0 of 4 > {{log}}; exit 143"


rule hungry:
    output: "hungry.out"
    log: "hungry.log"
    resources: **asked
    shell: "exit 137"


rule fails:
    output: "fails.out"
    log: "fails.log"
    resources: **asked
    shell: "echo error: no such thing > {{log}}; exit 2"
"""


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """The folder of a finished run of the rules above."""
    folder = tmp_path_factory.mktemp("attempts")
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "9", "--keep-going"]
    command += ["--retries", "2"]
    command += ["--slurm-init-seconds-before-status-checks", "2", "--slurm-status-command", "squeue"]
    command += ["--latency-wait", "5", "--default-resources", "slurm_partition=cpu"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return folder, done.stderr


def test_each_is_started_again_as_often_and_with_as_much_as_helps(run, cluster):
    folder, said = run
    text = cluster("squeue", "-h", "-t", "all", "-o", "%i|%j|%m|%l|%Z")
    jobs = [line.split("|") for line in text.splitlines()]
    asked = {}
    for _, name, memory, limit, where in sorted(jobs, key=lambda job: int(job[0])):
        if where == str(folder):
            asked.setdefault(name, []).append((memory, limit))
    assert asked == {
        "goes_on": [("2000M", "3:00")] * 4,
        "stuck": [("2000M", "3:00")] * 3,
        "hungry": [("150000M", "15:00"), ("200000M", "15:00")],
        "fails": [("2000M", "15:00")] * 3,
    }, said


def test_the_logs_tell_the_next_call_and_the_reader(run, monkeypatch):
    monkeypatch.chdir(run[0])
    [logged] = snakemake_log.read_runs(working=False)
    pasts = {rule: past for (rule, *_), past in earlier([logged]).items()}
    assert {rule: (past.memory, past.limits) for rule, past in pasts.items()} == {
        "stuck": (0, 3), "hungry": (2, 0), "fails": (0, 0)
    }  # fmt: skip
    assert pasts["hungry"].node_mb == 200_000
    told = sorted(snakemake_log.failures(logged))
    assert told[0] == "fails fails.log: error: no such thing"
    assert told[1].startswith(
        "hungry hungry.log: out of memory of 200000 MB; a node has 200000 MB; its last w"
    )
    assert told[2] == "stuck stuck.log: time limit before anything was done; its last words: update 0 of 4"
    assert not (Path.cwd() / "hungry.out").exists()
