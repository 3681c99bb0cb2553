"""Sampling in shards: the plan, the same bytes whatever their number, and what a change of it or a kill runs
again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.workflow.project import ROOT, Project

pytest.importorskip("snakemake")
pytestmark = pytest.mark.slow

REPORT = {"manifest": 1, "report": 1}
"""The report shows the config, so it is written again when that changes."""
TEACHER = "results/teacher_samples/dataset=world/teacher=tiny/seed=0/round=1"
SAMPLES = f"{TEACHER}/samples.parquet"
CONFIG = ("--configfile", "config/world.yaml", "shards.yaml")


def shards(project: Project, teacher: int | None, student: int | None = None, **blocks: dict) -> None:
    """Write the config: shards of the teacher's and the student's steps."""
    own = {
        "teachers": {"tiny": {"shards": teacher, "compare": []}},
        "students": {"tiny": {"shards": student}},
    }
    (project.folder / "shards.yaml").write_text(yaml.safe_dump(own | blocks))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("finished"))
    shards(project, 3, 2)
    project.pretend_done(*CONFIG)
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy(tmp_path / "copy")


def test_shards_are_jobs_of_their_own(tmp_path: Path) -> None:
    project = Project(tmp_path)
    shards(project, 3, 2)
    plan = project.plan(*CONFIG)
    assert plan["sample_teacher_shard"] == 3 * plan["sample_teacher"]
    assert plan["sample_teacher_again_shard"] == 3 * plan["sample_teacher_again"]
    assert plan["sample_student_shard"] == 2 * plan["sample_student"]
    shards(project, None)
    assert not [rule for rule in project.plan(*CONFIG) if rule.endswith("_shard")]


@pytest.mark.parametrize("number", [None, 1, 3, 4])
def test_another_number_of_shards_samples_nothing_and_trains_nothing(
    project: Project, number: int | None
) -> None:
    shards(project, number, number)
    assert project.plan(*CONFIG) == REPORT


def test_nor_does_it_in_a_clone_whatever_the_time_stamps(project: Project) -> None:
    shards(project, 5, 5)
    for number, path in enumerate(sorted(project.folder.rglob("*"), reverse=True)):
        os.utime(path, ns=(1_900_000_000_000_000_000 + number * 10**9,) * 2)
    assert project.plan(*CONFIG) == REPORT


def test_it_hides_no_other_edit(project: Project) -> None:
    shards(project, 4, 4)
    project.edit("config/world.yaml", "vote: {m: 10, threshold: 0.7", "vote: {m: 10, threshold: 0.8")
    plan = project.plan(*CONFIG)
    assert {"label", "train_sft", "train_ppo"} <= set(plan)
    assert plan["sample_student_shard"] == 4 * plan["sample_student"]
    assert not {"sample_teacher", "sample_teacher_shard"} & set(plan)


def test_coming_back_to_an_old_number_under_newer_settings_runs_nothing(project: Project) -> None:
    again = {"n": 40, "temperatures": [0.7]}
    shards(project, None, None, students={"tiny": {"sampling": again}})
    project.pretend_done(*CONFIG)
    shards(project, 3, None, students={"tiny": {"sampling": again, "shards": 2}})
    assert project.plan(*CONFIG) == REPORT


def test_more_samples_run_the_shards_and_the_step(project: Project) -> None:
    project.edit("config/world.yaml", "sampling: {n: 30", "sampling: {n: 40")
    plan = project.plan(*CONFIG)
    assert plan["sample_student_shard"] == 2 * plan["sample_student"]
    assert not {"label", "sample_teacher_shard"} & set(plan)


@pytest.fixture(scope="module")
def one_job(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The teacher's first round of 9,000 completions (three units) as one job."""
    if not (ROOT / ".venv-gpu/bin/python").exists():
        pytest.skip("needs .venv-gpu; `make setup` makes it")
    project = Project(tmp_path_factory.mktemp("one"))
    for name in (".venv", ".venv-gpu"):
        (project.folder / name).symlink_to(ROOT / name)
    project.edit("config/world.yaml", "pretraining: 20000, train: 2000", "pretraining: 2000, train: 900")
    project.edit("config/world.yaml", "max_steps: 480", "max_steps: 40")
    shards(project, None)
    sample(project)
    return project


def sample(project: Project) -> None:
    run = project.snakemake(SAMPLES, *CONFIG)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]


def before(one_job: Project, folder: Path) -> Project:
    """A copy that has not sampled yet."""
    project = one_job.copy(folder)
    shutil.rmtree(folder / "store")
    shutil.rmtree(folder / TEACHER)
    return project


def ledger(project: Project) -> dict:
    return json.loads((project.folder / TEACHER / "ledger.json").read_text())


def paid(project: Project) -> pl.DataFrame:
    keys = ["prompt_key", "temperature", "index"]
    parts = sorted((project.folder / "store").rglob("part-*.parquet"))
    return pl.concat([pl.read_parquet(part, columns=keys) for part in parts])


@pytest.mark.campaign
def test_three_shards_write_the_bytes_of_one_job_and_another_number_samples_nothing(
    one_job, tmp_path
) -> None:
    project = before(one_job, tmp_path / "three")
    shards(project, 3)
    sample(project)
    assert (project.folder / SAMPLES).read_bytes() == (one_job.folder / SAMPLES).read_bytes()
    ours, theirs = ledger(project), ledger(one_job)
    assert ours | {"seconds": 0} == theirs | {"seconds": 0} and ours["sampled"] == 9_000
    assert paid(project).is_unique().all()
    logs = list((project.folder / "logs/sample_teacher_shard").rglob("*-of-3.log"))
    assert len(logs) == 3 and all("completions to sample" in log.read_text() for log in logs)
    assert not list((project.folder / "results").rglob("*-of-3*")), "what the shards left is not tidied"

    shards(project, 4)
    assert project.plan(*CONFIG, target=SAMPLES) == {}
    (project.folder / SAMPLES).unlink()
    sample(project)
    assert (project.folder / SAMPLES).read_bytes() == (one_job.folder / SAMPLES).read_bytes()
    assert ledger(project)["sampled"] == 0 and ledger(project)["reused"] == 9_000


@pytest.mark.campaign
def test_a_killed_shard_loses_a_flush_and_its_rest_falls_to_others(one_job, tmp_path) -> None:
    project = before(one_job, tmp_path / "killed")
    shards(project, 3)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--profile",
        "profiles/local",
        "--cores",
        "2",
        SAMPLES,
        *CONFIG,
    ]
    run = subprocess.Popen(
        command,
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 600
        while not list((project.folder / "store").rglob("part-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert not (project.folder / SAMPLES).exists()
    assert project.snakemake("--unlock", *CONFIG).returncode == 0
    kept = paid(project).height
    assert 0 < kept < 9_000
    shards(project, 2)
    sample(project)
    assert (project.folder / SAMPLES).read_bytes() == (one_job.folder / SAMPLES).read_bytes()
    assert ledger(project)["reused"] >= kept and paid(project).is_unique().all()
    assert not list((project.folder / TEACHER).rglob("*-of-*")), (
        "a shard of the killed call would count as done"
    )


@pytest.mark.campaign
def test_shards_that_other_questions_made_stale_heal(one_job, tmp_path) -> None:
    """Two of three shards are done when the questions change: the step says so, and the next call samples the
    rest."""
    project = before(one_job, tmp_path / "stale")
    shards(project, 3)
    run = project.snakemake(SAMPLES, *CONFIG, "--until", "sample_teacher_shard", "--notemp")
    assert run.returncode == 0, run.stderr[-3000:]
    assert len(list((project.folder / TEACHER).rglob("*-of-3.json"))) == 3
    with (project.folder / "config/prompts/world.jinja").open("a") as file:
        file.write("Think .\n")
    run = project.snakemake(SAMPLES, *CONFIG)
    log = (project.folder / "logs/sample_teacher/dataset=world/teacher=tiny/seed=0.log").read_text()
    assert run.returncode != 0 and "9000 completions are missing although every shard is done" in log
    sample(project)
    assert ledger(project)["sampled"] == 9_000
