"""The whole method on the cluster: every step where it belongs, with the GPUs it asked for, and the results
of a local run."""

import os
import re
import subprocess
import sys

import pytest

from tests.slurm.box import CONFIG, REPORT

pytestmark = pytest.mark.slow

GPUS = {
    "teacher_samples": 2,
    "eval_samples/benchmark=world/teacher=tiny": 2,
    "eval_samples/benchmark=world/dataset=world": 1,
    "student_samples": 1,
    "checkpoints": 1,
    "rewards": 1,
}
"""GPUs by where a step writes: what tests/slurm/config.yaml says of its models. All others: none."""

LOGGER = """
from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    writes_to_stream = has_filter = has_formatter = True
    writes_to_file = needs_rulegraph = False

    def emit(self, record):
        print("word:", getattr(record, "event", None), flush=True)
"""


@pytest.fixture(scope="module")
def submitted(local, cluster, tmp_path_factory):
    box = local.copy(tmp_path_factory.mktemp("slurm") / "box", cluster)
    box.forget("results", "store", "state", "logs", "benchmarks", ".snakemake")
    assert box.run(REPORT, "--set-resources", "train_ppo:qos=long") == 0, box.log()
    return box


def test_every_step_runs_where_it_belongs(submitted):
    started = [word for word in submitted.words() if word["event"] == "start"]
    assert len(started) == 26
    for word in started:
        place = re.search(r"--(?:output|output-html|train) results/(\S+)", word["command"]).group(1)
        wanted = next((count for start, count in GPUS.items() if place.startswith(start)), 0)
        held = word["gpus"].split(",") if word["gpus"] else []
        assert (len(set(held)), word["partition"]) == (wanted, "h100" if wanted else "cpu"), word["command"]


def test_results_are_those_of_a_local_run(submitted, local):
    theirs, ours = local.results(), submitted.results()
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_the_queue_tells_jobs_apart_by_their_logs(submitted, cluster):
    jobs = [job for job in cluster.jobs() if job["folder"] == str(submitted.folder)]
    alone = [job["name"] for job in jobs if "+" not in job["name"]]
    assert [name for name in alone if not (submitted.folder / "logs" / f"{name}.log").is_file()] == []
    grouped = {job["name"].split("/")[0] for job in jobs} - {name.split("/")[0] for name in alone}
    assert grouped == {
        "grade_teacher+label+read_teacher_answers",
        "grade_student+hold_out_pairs+pair+read_student_answers",
        "manifest+report",
    }
    assert len({job["name"] for job in jobs}) == len(jobs)
    assert all(job["comment"].startswith("redistill_") for job in jobs)


def test_a_model_s_jobs_go_where_its_block_says_and_a_rule_s_where_the_call_does(submitted, cluster):
    """By SLURM's record of each: constraint, QoS (which the site's rule keeps as a comment) and account."""
    records = cluster("scontrol", "show", "job", "-o").splitlines()
    jobs = [dict(re.findall(r"(\w+)=(\S*)", record)) for record in records]
    placed = {
        job["JobName"].split("/")[0]: (job["Features"], job["AdminComment"], job["Account"])
        for job in jobs
        if job["WorkDir"] == str(submitted.folder) and "AdminComment" in job
    }
    teacher = ("sample_teacher", "sample_teacher_again", "sample_teacher_on_benchmark")
    assert placed == dict.fromkeys(teacher, ("nvlink", "long", "proj123")) | {
        "train_ppo": ("(null)", "long", "(null)")
    }


def test_a_second_call_does_nothing(submitted):
    before = len(submitted.words())
    assert submitted.run(REPORT) == 0, submitted.log()
    assert "Nothing to do" in submitted.log()
    assert len(submitted.words()) == before


def test_snakemake_s_own_report_and_a_logger_of_choice_work(submitted, tmp_path):
    plugin = tmp_path / "snakemake_logger_plugin_words/__init__.py"
    plugin.parent.mkdir()
    plugin.write_text(LOGGER)
    study = ["--configfile", *CONFIG, "--", REPORT]
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--cores", "1"]
    where = {"cwd": submitted.folder, "env": os.environ | {"PYTHONPATH": str(tmp_path)}, "text": True}
    subprocess.run([*command, "--report", tmp_path / "report.html", *study], check=True, **where)
    assert "train_ppo" in (tmp_path / "report.html").read_text()
    submitted.forget("results/reports/box/report.html")
    run = subprocess.run([*command, "--logger", "words", *study], check=True, capture_output=True, **where)
    assert "word: job_finished" in run.stdout
